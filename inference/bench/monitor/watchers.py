"""Open live pages, as far as the server sees them: `python -m inference.bench.monitor.watchers`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

from websockets.asyncio.client import connect


async def watch(port: int, session: str, seconds: float) -> tuple[int, int]:
    """(frames, bytes) that one page got, each acknowledged."""
    frames = size = 0
    async with connect(
        f"ws://127.0.0.1:{port}/ws/admin/queue/",
        origin=f"http://127.0.0.1:{port}",  # type: ignore[arg-type]
        additional_headers={"Cookie": f"sessionid={session}"},
        max_size=None,
        proxy=None,
    ) as socket:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                frame = await asyncio.wait_for(socket.recv(), left)
            except TimeoutError:
                break
            frames, size = frames + 1, size + len(frame)
            await socket.send('{"type":"ack"}')
    return frames, size


async def main(port: int, session: str, pages: int, seconds: float, output: Path) -> None:
    found = await asyncio.gather(*(watch(port, session, seconds) for _ in range(pages)))
    figures = {"frames": sum(one[0] for one in found), "bytes": sum(one[1] for one in found)}
    output.write_text(json.dumps(figures))


if __name__ == "__main__":
    asyncio.run(
        main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4]), Path(sys.argv[5]))
    )
