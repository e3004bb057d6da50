"""A TCP proxy that a test can turn silent: both ends keep their connections and nothing passes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from tests.support.ports import HOST


class Proxy:
    """Between a person and one web process; an origin of its own."""

    def __init__(self, target: str) -> None:
        address = urlsplit(target)
        self._target = (address.hostname, address.port)
        self._silent = False
        self._silent_since = 0.0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._hung_up: asyncio.Event = asyncio.Event()
        self._hung_up_at = 0.0

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, HOST, 0)

    def fall_silent(self) -> None:
        """From now on what either end says is lost, also that it closes."""
        self._silent, self._silent_since = True, time.monotonic()

    async def until_the_site_hangs_up(self, seconds: float) -> float:
        """How long after the silence began the web process gave the connection up."""
        async with asyncio.timeout(seconds):
            await self._hung_up.wait()
        return self._hung_up_at - self._silent_since

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_site, to_site = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(self._pass_on(reader, to_site), self._listen(from_site, writer))
        finally:
            for end in (writer, to_site):
                end.transport.abort()

    async def _listen(self, from_site: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._pass_on(from_site, writer)
        if self._silent:
            self._hung_up_at = time.monotonic()
            self._hung_up.set()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until `reader` ends."""
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65_536):
                if not self._silent:
                    writer.write(data)
                    await writer.drain()
        if not self._silent:
            writer.close()


@contextlib.asynccontextmanager
async def proxy_before(target: str) -> AsyncIterator[Proxy]:
    proxy = Proxy(target)
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()
