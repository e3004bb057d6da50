"""Reads a backend's events until something has happened."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from inference.backends.base import (
    Backend,
    BackendEvent,
    Failed,
    Finished,
    Generation,
    Progress,
    TextDelta,
)
from inference.engine.sampling_params import SamplingParams


def asking(
    text: str | list[dict[str, str]],
    name: str = "a",
    ids: list[int] | None = None,
    said: str = "",
    **params: Any,
) -> Generation:
    """A generation of one user message, or of a whole chat; resumed where ids are given."""
    messages = [{"role": "user", "content": text}] if isinstance(text, str) else text
    return Generation(name, messages, SamplingParams(**{"seed": 1, **params}), ids or [], said)


class Reader:
    """All events of a backend so far, and what they add up to."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.events: list[BackendEvent] = []
        self.text: dict[str, str] = defaultdict(str)
        self.ids: dict[str, list[int]] = defaultdict(list)
        self.ends: dict[str, list[str]] = defaultdict(list)

    async def until(self, wanted: Callable[[BackendEvent], bool], seconds: float = 20) -> None:
        seen = False
        async with asyncio.timeout(seconds):
            while not seen:
                seen = any([wanted(event) for event in await self._read()])

    async def ended(self, *names: str) -> None:
        async with asyncio.timeout(20):
            while not all(self.ends[name] for name in names):
                await self._read()

    async def _read(self) -> list[BackendEvent]:
        batch = await self.backend.events()
        self.events += batch
        for event in batch:
            if isinstance(event, TextDelta):
                self.text[event.request_id] += event.text
                self.ids[event.request_id] += event.token_ids
            elif isinstance(event, Finished):
                self.ends[event.request_id].append(event.finish_reason)
            elif isinstance(event, Failed):
                self.ends[event.request_id].append(event.code)
        return batch


@asynccontextmanager
async def running(backend: Backend) -> AsyncIterator[Reader]:
    progress: list[Progress] = []
    await backend.start(progress.append)
    try:
        yield Reader(backend)
    finally:
        await backend.stop()


def has_text(event: BackendEvent) -> bool:
    return isinstance(event, TextDelta) and bool(event.text)
