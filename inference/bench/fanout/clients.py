"""The load: a process of sockets, some of which get an answer each; notes what comes, and when.

`python -m inference.bench.fanout.clients PLAN PORT FILE` says `begin` and `end` of the measured
time on its standard output, and writes what came in between to the file.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from inference.bench.fanout.guests import come_in
from inference.bench.fanout.plan import WARM_UP_SECONDS, Plan
from inference.bench.fanout.tab import Tab, open_tab

HOST = "127.0.0.1"
ACK_SECONDS = 0.25
START_SECONDS = 60.0
LONGEST_SECONDS = 240.0
# Sockets without an answer belong to fewer people; they cost the server the same.
IDLE_PER_GUEST = 40


@dataclass
class Stream:
    """One person's answer as it arrives: for each delta its offset, its length and the time."""

    request: str = ""
    deltas: list[tuple[int, int, float]] = field(default_factory=list)
    has_ended: bool = False
    tab: Tab | None = None

    def hear(self, data: bytes) -> None:
        now = time.monotonic()
        frame = json.loads(data)
        kind = frame["type"]
        if kind == "message.delta":
            self.deltas.append((frame["offset"], len(frame["text"]), now))
        elif kind == "message.accepted":
            self.request = frame["request"]
        elif kind == "message.finished":
            self.has_ended = True
        elif kind in ("request.rejected", "error"):
            raise SystemExit(f"The site refused a message: {frame}")

    def ask(self, plan: Plan) -> None:
        """For an answer of one character a token, which outlives the run."""
        length = int(plan.rate * (plan.seconds + START_SECONDS / 2 + WARM_UP_SECONDS))
        text = f"mock:echo mock:rate={plan.rate:g} " + "abcdefghij" * (min(length, 30_000) // 10)
        frame = {"type": "message.send", "client_id": "1", "conversation": None, "text": text}
        self._say(frame)

    def acknowledge(self) -> None:
        if self.deltas:
            offset, length, _ = self.deltas[-1]
            self._say({"type": "ack", "request": self.request, "offset": offset + length})

    def _say(self, frame: dict[str, Any]) -> None:
        assert self.tab is not None
        self.tab.send(json.dumps(frame).encode())


async def run(plan: Plan, port: int, output: Path) -> None:
    async with asyncio.timeout(LONGEST_SECONDS + plan.seconds):
        await _run(plan, port, output)


async def _run(plan: Plan, port: int, output: Path) -> None:
    streams, tabs = await _open_all(plan, port)
    acks = asyncio.create_task(_acknowledge(streams))
    for stream in streams:
        stream.ask(plan)
        await asyncio.sleep(0.005)
    await _until_all_stream(streams)
    await asyncio.sleep(WARM_UP_SECONDS)
    begin = _tell("begin")
    await asyncio.sleep(plan.seconds)
    end = _tell("end")
    acks.cancel()
    output.write_text(json.dumps(_outcome(streams, tabs, begin, end)))


def _outcome(streams: list[Stream], tabs: list[Tab], begin: float, end: float) -> dict[str, Any]:
    return {
        "begin": begin,
        "end": end,
        "closed": sum(tab.is_closed for tab in tabs),
        "ended": sum(stream.has_ended for stream in streams),
        "streams": {stream.request: stream.deltas for stream in streams},
    }


async def _open_all(plan: Plan, port: int) -> tuple[list[Stream], list[Tab]]:
    idle = max(0, plan.sockets - plan.streaming)
    guests = plan.streaming + -(-idle // IDLE_PER_GUEST)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(4) as threads:
        entering = [loop.run_in_executor(threads, come_in, HOST, port) for _ in range(guests)]
        cookies = await asyncio.gather(*entering)
    streams = [Stream() for _ in range(plan.streaming)]
    tabs = []
    for stream, cookie in zip(streams, cookies, strict=False):
        stream.tab = await open_tab(HOST, port, cookie, stream.hear)
        tabs.append(stream.tab)
    for number in range(idle):
        cookie = cookies[plan.streaming + number // IDLE_PER_GUEST]
        tabs.append(await open_tab(HOST, port, cookie, lambda data: None))
    return streams, tabs


async def _until_all_stream(streams: list[Stream]) -> None:
    try:
        async with asyncio.timeout(START_SECONDS):
            while not all(stream.deltas for stream in streams):
                await asyncio.sleep(0.05)
    except TimeoutError:
        # The peers may never get there; what came is measured all the same.
        quiet = sum(not stream.deltas for stream in streams)
        print(f"{quiet} of {len(streams)} streams never began", file=sys.stderr, flush=True)


async def _acknowledge(streams: list[Stream]) -> None:
    while True:
        for stream in streams:
            stream.acknowledge()
        await asyncio.sleep(ACK_SECONDS)


def _tell(word: str) -> float:
    now = time.monotonic()
    print(word, flush=True)
    return now


if __name__ == "__main__":
    asyncio.run(run(Plan.from_json(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
