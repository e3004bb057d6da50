"""A client that keeps a text whole by the rules of docs/protocol.md, whatever is lost."""

import asyncio
import time

from tests.support.client import Person
from tests.support.kept_text import KeptText

QUIET_SECONDS = 5.0
SYNC_SECONDS = 0.5


class Reader:
    """Follows one request of a person whose socket stays open, and asks for what is missing."""

    def __init__(self, person: Person, request: str) -> None:
        self.kept = KeptText()
        self.syncs = 0
        self._person = person
        self._request = request
        self._position = 0
        self._heard_at = time.monotonic()
        self._synced_at = 0.0

    async def whole(self, seconds: float = 60.0) -> str:
        """The text once it is over and complete."""
        async with asyncio.timeout(seconds):
            while not self.kept.is_whole:
                await self._step()
        return self.kept.text

    async def _step(self) -> None:
        frames = self._person.frames[self._position :]
        self._position += len(frames)
        for frame in frames:
            if frame.data.get("request") == self._request:
                self._heard_at = time.monotonic()
                self.kept.take(frame.data)
        if self._is_time_to_sync():
            await self._sync()
        await asyncio.sleep(0.02)

    def _is_time_to_sync(self) -> bool:
        now = time.monotonic()
        is_quiet = now - self._heard_at > QUIET_SECONDS
        return (is_quiet or self.kept.misses_something) and now - self._synced_at > SYNC_SECONDS

    async def _sync(self) -> None:
        self._synced_at = self._heard_at = time.monotonic()
        self.syncs += 1
        offset = len(self.kept.text)
        await self._person.say(type="request.sync", request=self._request, offset=offset)
