"""A client that keeps a text whole by the rules of docs/protocol.md, whatever is lost."""

import asyncio
import time
from typing import Any

from tests.support.client import Frame, Person

QUIET_SECONDS = 5.0
SYNC_SECONDS = 0.5


class Reader:
    """Follows one request: holds what comes after a gap, and asks for what is missing."""

    def __init__(self, person: Person, request: str) -> None:
        self._person = person
        self._request = request
        self._position = 0
        self._attempt = 0
        self._held: dict[int, str] = {}
        self._heard_at = time.monotonic()
        self._synced_at = 0.0
        self.text = ""
        self.end: dict[str, Any] | None = None
        self.syncs = 0

    async def whole(self, seconds: float = 60.0) -> str:
        """The text once it is over and complete."""
        async with asyncio.timeout(seconds):
            while not self._is_whole():
                await self._step()
        return self.text

    async def _step(self) -> None:
        frames = self._person.frames[self._position :]
        self._position += len(frames)
        for frame in frames:
            if frame.data.get("request") == self._request:
                self._take(frame)
        if self._misses_something() and time.monotonic() - self._synced_at > SYNC_SECONDS:
            await self._sync()
        await asyncio.sleep(0.02)

    def _take(self, frame: Frame) -> None:
        self._heard_at = time.monotonic()
        if frame.type == "message.finished":
            self.end = frame.data
        elif frame.type == "message.delta" and frame["attempt"] >= self._attempt:
            if frame["attempt"] > self._attempt:
                self._attempt = frame["attempt"]
                self.text = self.text[: frame["offset"]]
                self._held.clear()
            self._held[frame["offset"]] = frame["text"]
            self._use_held()

    def _use_held(self) -> None:
        for offset in sorted(self._held):
            if offset > len(self.text):
                break
            self.text += self._held.pop(offset)[len(self.text) - offset :]

    def _is_whole(self) -> bool:
        return self.end is not None and self.end["length"] == len(self.text)

    def _misses_something(self) -> bool:
        is_quiet = time.monotonic() - self._heard_at > QUIET_SECONDS
        return bool(self._held) or is_quiet or (self.end is not None and not self._is_whole())

    async def _sync(self) -> None:
        self._synced_at = self._heard_at = time.monotonic()
        self.syncs += 1
        await self._person.say(type="request.sync", request=self._request, offset=len(self.text))
