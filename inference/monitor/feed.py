"""Reads the state once a second for all who watch in this process, and tells them what changed.

Nobody watches: nothing is read. Knows no sockets: a watcher is a function that takes a frame.
"""

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async

from inference.monitor.rates import Rates
from inference.monitor.state import State, changes, read_state
from inference.queue.samples import newest_sample, samples_after

logger = logging.getLogger(__name__)

SECONDS = 1.0
# After an action a page may ask for a look at once; never more often than this.
SOONEST_SECONDS = 0.2
# A page takes a longer silence for a lost connection.
QUIET_SECONDS = 5.0

Watcher = Callable[[str], None]
Read = Callable[[int | None], Awaitable["Reading"]]
Reading = tuple[State, int, list[dict[str, Any]]]


class MonitorFeed:
    """One for each event loop that has watchers: see `feed`."""

    def __init__(self, read: Read, seconds: float = SECONDS) -> None:
        self._read = read
        self._seconds = seconds
        self._watchers: set[Watcher] = set()
        self._loop: asyncio.Task[None] | None = None
        self._asked = asyncio.Event()
        self._rates = Rates()
        self._state: State | None = None
        self._sample: int | None = None
        self._in_trouble = False
        self._told_at = 0.0

    def join(self, watcher: Watcher) -> None:
        """From now on `watcher` gets frames: first a whole `state`, then an `update` for each
        change.
        """
        self._watchers.add(watcher)
        if self._state is not None:
            watcher(self.whole())
        if self._loop is None or self._loop.done():
            self._loop = asyncio.create_task(self._watch())

    def leave(self, watcher: Watcher) -> None:
        """The last one who leaves ends the reading."""
        self._watchers.discard(watcher)
        if not self._watchers and self._loop is not None:
            self._loop.cancel()
            self._loop, self._state, self._sample = None, None, None

    def look_now(self) -> None:
        """Something was changed by hand: do not wait for the next second."""
        self._asked.set()

    def whole(self) -> str:
        """The frame for a watcher who has nothing, or missed something."""
        return _frame("state", self._state or {})

    async def look(self) -> None:
        """Reads once, and tells what changed."""
        try:
            state, self._sample, samples = await self._read(self._sample)
        except Exception:
            if not self._in_trouble:  # one line for each outage
                logger.warning("The queue could not be read for the live page.", exc_info=True)
            self._in_trouble = True
            self._tell(_frame("trouble", {}))
            return
        before, self._state = self._state, self._with_rates(state)
        if before is None or self._in_trouble:
            self._tell(self.whole())
        elif (changed := changes(before, self._state)) or samples or self._is_quiet():
            self._tell(_frame("update", {**changed, "samples": samples}))
        self._in_trouble = False

    async def _watch(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(SOONEST_SECONDS)
            try:
                async with asyncio.timeout(self._seconds - SOONEST_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                pass
            self._asked.clear()

    def _is_quiet(self) -> bool:
        return time.monotonic() - self._told_at >= QUIET_SECONDS

    def _tell(self, frame: str) -> None:
        self._told_at = time.monotonic()
        for watcher in list(self._watchers):
            watcher(frame)

    def _with_rates(self, state: State) -> State:
        requests = state["requests"]
        running = {key: row for key, row in requests.items() if row["state"] == "running"}
        tokens = {key: row["completion_tokens"] for key, row in running.items()}
        for key, rate in self._rates.update(time.monotonic(), tokens).items():
            requests[key]["tokens_per_s"] = rate
        return state


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, MonitorFeed] = WeakKeyDictionary()


def feed() -> MonitorFeed:
    """The one of the running event loop."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = MonitorFeed(_read)
    return _feeds[loop]


def _reading(sample: int | None) -> Reading:
    """The state, and the samples after the one with the key `sample` (none, the first time)."""
    state = read_state()
    if sample is None:
        return state, newest_sample(), []
    news = samples_after(sample)
    return state, news[-1][0] if news else sample, [point for _, point in news]


async def _read(sample: int | None) -> Reading:
    reading: Reading = await database_sync_to_async(_reading)(sample)
    return reading


def _frame(kind: str, fields: State) -> str:
    frame = {"type": kind, "now": round(time.time(), 3), **fields}
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))
