"""A backend whose events a test writes, and a publisher that remembers: for tests of the worker
only.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from inference.backends.base import BackendEvent, BackendInfo, Generation, Progress
from inference.engine.totals import EngineTotals
from inference.publishers import Addressed

INFO = BackendInfo("m", "scripted", "none", "none", slots=8, max_model_len=100, runner="scripted")


class ScriptedBackend:
    def __init__(self) -> None:
        self.submitted: list[Generation] = []
        self.aborted: list[str] = []
        self.stopped = False
        self.engine = EngineTotals()
        self._events: asyncio.Queue[list[BackendEvent]] = asyncio.Queue()

    async def start(self, on_progress: Callable[[Progress], None]) -> BackendInfo:
        on_progress(Progress("loading", 1.0))
        return INFO

    def submit(self, generation: Generation) -> None:
        self.submitted.append(generation)

    def abort(self, request_id: str) -> None:
        self.aborted.append(request_id)

    async def events(self) -> list[BackendEvent]:
        return await self._events.get()

    async def stop(self) -> None:
        self.stopped = True

    def totals(self) -> dict[str, int | float]:
        return self.engine.as_dict()

    def load(self) -> int:
        return len(self.submitted)

    def say(self, *events: BackendEvent) -> None:
        self._events.put_nowait(list(events))


class RememberingPublisher:
    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    async def publish(self, events: Sequence[Addressed]) -> None:
        self.events.extend({"group": group, **event.to_dict()} for group, event in events)

    async def close(self) -> None:
        pass

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] == kind]


async def until(condition: Callable[[], Any], seconds: float = 5.0) -> None:
    """Waits until `condition()` is true; fails the test if that takes too long."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
