"""One reading a second for all who watch, what changed to each, and a whole state to who missed
something.
"""

import asyncio
import json
from typing import Any

import pytest

from inference.monitor.feed import MonitorFeed, Reading
from inference.monitor.rates import Rates


def state(tokens: int) -> dict[str, Any]:
    row = {"state": "running", "completion_tokens": tokens}
    return {"requests": {"r": row}, "workers": {}, "order": [], "totals": {}, "policy": {}}


class Source:
    """Readings that count up; `fails` makes the database go away."""

    def __init__(self) -> None:
        self.readings = 0
        self.fails = False

    async def read(self, sample: int | None) -> Reading:
        if self.fails:
            raise OSError("away")
        self.readings += 1
        return state(self.readings), 1, []


class Ear:
    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.news = asyncio.Event()

    def __call__(self, frame: str) -> None:
        self.heard.append(json.loads(frame))
        self.news.set()

    async def until(self, frames: int) -> None:
        async with asyncio.timeout(5):
            while len(self.heard) < frames:
                self.news.clear()
                await self.news.wait()

    @property
    def kinds(self) -> list[str]:
        return [frame["type"] for frame in self.heard]


async def test_watchers_share_the_readings_and_each_begins_with_everything() -> None:
    source, first, second = Source(), Ear(), Ear()
    feed = MonitorFeed(source.read, seconds=0.3)
    feed.join(first)
    await first.until(2)
    feed.join(second)
    assert second.kinds == ["state"]
    await second.until(2)
    assert first.kinds[:2] == ["state", "update"]
    assert second.heard[1]["requests"]["set"]["r"]["completion_tokens"] == source.readings
    feed.leave(first)
    feed.leave(second)


async def test_nothing_is_read_once_nobody_watches() -> None:
    source, ear = Source(), Ear()
    feed = MonitorFeed(source.read, seconds=0.25)
    feed.join(ear)
    await ear.until(1)
    feed.leave(ear)
    readings = source.readings
    await asyncio.sleep(0.6)
    assert source.readings == readings
    feed.join(ear)
    await ear.until(2)
    assert ear.kinds[-1] == "state"
    feed.leave(ear)


async def test_who_asks_is_told_before_the_next_second() -> None:
    source, ear = Source(), Ear()
    feed = MonitorFeed(source.read, seconds=60)
    feed.join(ear)
    await ear.until(1)
    feed.look_now()
    await ear.until(2)
    feed.leave(ear)


async def test_a_page_hears_something_every_few_seconds_though_nothing_changes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def read(sample: int | None) -> Reading:
        return {"requests": {}, "workers": {}}, 1, []

    ear, feed = Ear(), MonitorFeed(read, seconds=60)
    feed.join(ear)
    await ear.until(1)
    await feed.look()
    assert ear.kinds == ["state"]
    monkeypatch.setattr("inference.monitor.feed.QUIET_SECONDS", 0.0)
    await feed.look()
    feed.leave(ear)
    assert ear.kinds == ["state", "update"]


async def test_a_database_that_is_away_is_told_and_everything_comes_when_it_is_back() -> None:
    source, ear = Source(), Ear()
    feed = MonitorFeed(source.read)
    feed.join(ear)
    await ear.until(1)
    source.fails = True
    await feed.look()
    source.fails = False
    await feed.look()
    feed.leave(ear)
    assert ear.kinds == ["state", "trouble", "state"]


def test_a_rate_is_of_the_last_seconds_and_starts_anew_with_another_attempt() -> None:
    rates = Rates()
    assert rates.update(0.0, {"r": 10}) == {"r": None}
    assert rates.update(1.0, {"r": 30}) == {"r": 20.0}
    for second in range(2, 12):
        found = rates.update(float(second), {"r": 30})
    assert found == {"r": 0.0}
    assert rates.update(12.0, {"r": 5}) == {"r": None}
    assert rates.update(13.0, {}) == {}


@pytest.mark.parametrize("window", [8])
async def test_a_page_that_reads_nothing_is_sent_no_more_than_a_window(window: int) -> None:
    from inference.monitor.consumer import QueueMonitorConsumer

    consumer = QueueMonitorConsumer()
    source = Source()
    consumer._feed = MonitorFeed(source.read)
    await consumer._feed.look()
    for number in range(3 * window):
        consumer._hear(f"frame {number}")
    assert consumer._frames.qsize() == window
    for _ in range(window):
        consumer._frames.get_nowait()
        consumer._acked()
    assert json.loads(consumer._frames.get_nowait())["type"] == "state"
