"""Everybody's tab comes back at once when all web processes are restarted."""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.support.client import Person
from tests.support.fixtures import ComeIn, Sites
from tests.support.ports import wait_for_port
from tests.support.site import Plan, Site

PEOPLE = 10
# Tabs, and seconds to `hello` at p95. Three hundred clients share a few cores with the site.
TABS = [
    pytest.param(100, 1.0),
    pytest.param(300, 1.0, marks=[pytest.mark.long, pytest.mark.timeout(240)]),
]
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0  # those of static/js/models/backoff.js
BACK_WITHIN = 15.0  # of the moment when all listen again
# One for each of two web processes, the worker, and the one that counts.
DATABASE_CONNECTIONS = 4

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(sites: Sites) -> Iterator[Site]:
    site = sites.make(Plan(topology="split", web=2), "postgres")
    site.start()
    yield site
    site.stop()


class Tab:
    """Idle, and back whenever its socket closes: later and later, with the page's own jitter."""

    def __init__(self, person: Person, url: str) -> None:
        self.greeted_at = 0.0
        self.greeted_after = 0.0  # the connection's start
        self.tries = 0
        self._person = person
        self._url = url

    async def stay(self) -> None:
        while True:
            with suppress(OSError, WebSocketException, TimeoutError):
                await self._sit()
            full = min(LONGEST_PAUSE, FIRST_PAUSE * 2**self.tries)
            self.tries += 1
            await asyncio.sleep(full / 2 + random.random() * full / 2)

    async def _sit(self) -> None:
        cookies = "; ".join(f"{one.name}={one.value}" for one in self._person.http.cookies.jar)
        start = time.monotonic()
        async with connect(
            f"{self._url.replace('http', 'ws', 1)}/ws/chat/",
            origin=self._url,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            ping_interval=None,
            proxy=None,
        ) as socket:
            assert '"hello"' in str(await socket.recv())
            self.greeted_at, self.tries = time.monotonic(), 0
            self.greeted_after = self.greeted_at - start
            async for _ in socket:
                pass


@asynccontextmanager
async def _open_tabs(site: Site, people: list[Person], count: int) -> AsyncIterator[list[Tab]]:
    tabs = [
        Tab(people[number % len(people)], site.urls[number % len(site.urls)])
        for number in range(count)
    ]
    tasks = [asyncio.create_task(tab.stay()) for tab in tabs]
    try:
        await _until_greeted(tabs, 0.0, 30)
        yield tabs
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _until_greeted(tabs: list[Tab], since: float, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not all(tab.greeted_at > since for tab in tabs):
            await asyncio.sleep(0.05)


async def _restart(site: Site) -> float:
    """All web processes at once; when the last one listens again."""
    await asyncio.gather(*(asyncio.to_thread(web.terminate, 20) for web in site.web))
    for number in range(len(site.web)):
        site.start_web(number)
    await asyncio.gather(*(asyncio.to_thread(wait_for_port, port) for port in site.ports))
    return time.monotonic()


async def _most_connections(site: Site) -> int:
    """Until it is cancelled; the database's own count, four times a second."""
    most = 0
    where = "datname = current_database()"
    with suppress(asyncio.CancelledError):
        while True:
            now = await asyncio.to_thread(site.database.count, "pg_stat_activity", where)
            most = max(most, now)
            await asyncio.sleep(0.25)
    return most


@pytest.mark.parametrize(("count", "patience"), TABS)
async def test_all_tabs_are_back_soon_after_a_restart(
    site: Site, come_in: ComeIn, count: int, patience: float
) -> None:
    people = [await come_in(site, number) for number in range(PEOPLE)]
    for person in people:
        await person.leave()
    async with _open_tabs(site, people, count) as tabs:
        counting = asyncio.create_task(_most_connections(site))
        stopped = time.monotonic()
        listening = await _restart(site)
        await _until_greeted(tabs, stopped, BACK_WITHIN + 15)
        back = max(tab.greeted_at for tab in tabs)
        counting.cancel()
        connections = await counting
    greetings = [tab.greeted_after for tab in tabs]
    p95 = statistics.quantiles(greetings, n=20)[-1]
    print(
        f"{count} tabs: listening again after {listening - stopped:.1f} s, all back after"
        f" {back - stopped:.1f} s; to hello: median {statistics.median(greetings):.3f} s,"
        f" p95 {p95:.3f} s; at most {connections} database connections"
    )
    assert back - listening < BACK_WITHIN
    assert p95 < patience
    assert connections <= DATABASE_CONNECTIONS
