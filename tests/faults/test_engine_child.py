"""The engine's process dies or freezes under a full site: nobody else notices, no text is lost."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Awaitable, Callable

import pytest

from inference.engine.options import HANG_SECONDS
from tests.faults.conftest import ALIVE, Theatre
from tests.faults.crowd import Crowd, see_through
from tests.support.client import Person
from tests.support.fixtures import ComeIn
from tests.support.processes import Process, engines_of

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


def engine_of(worker: Process) -> int | None:
    """The process that runs the model, or None while there is none."""
    return next((one.pid for one in engines_of(worker)), None)


async def _until_restarted(worker: Process, before: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while engine_of(worker) in (None, before):
            await asyncio.sleep(0.1)


async def test_an_engine_that_is_killed(theatre: Theatre) -> None:
    """What ran on it is suspect and runs alone from now on, so the answers here are short."""
    async with Crowd(theatre.site, 10, "mock:length=16") as crowd:
        worker = theatre.site.workers[theatre.busiest()]
        engine, killed = engine_of(worker), time.monotonic()
        assert engine is not None
        os.kill(engine, signal.SIGKILL)
        await _until_restarted(worker, engine, 10)
        restarted = time.monotonic() - killed
        assert await see_through(crowd, "kill -9 of an engine", killed) < 10
        print(f"its engine was started again after {restarted:.1f} s")
    assert worker.is_running


class Onlooker:
    """Loads a page, asks whether the site is ready, pings the socket; keeps how long each took."""

    def __init__(self, person: Person) -> None:
        self.times: dict[str, list[float]] = {"page": [], "probe": [], "pong": []}
        self._person = person

    async def look(self) -> None:
        await self._timed("page", self._page)
        await self._timed("probe", self._probe)
        await self._timed("pong", self._person.ping)

    async def _timed(self, name: str, act: Callable[[], Awaitable[None]]) -> None:
        start = time.monotonic()
        await act()
        self.times[name].append(time.monotonic() - start)

    async def _page(self) -> None:
        assert (await self._person.http.get("/")).status_code == 200

    async def _probe(self) -> None:
        assert (await self._person.http.get("/readyz")).status_code == 200

    def report(self) -> dict[str, str]:
        return {
            name: f"median {statistics.median(times):.3f} s, worst {max(times):.3f} s"
            for name, times in self.times.items()
        }


@pytest.mark.long
@pytest.mark.timeout(400)
async def test_an_engine_that_freezes(theatre: Theatre, come_in: ComeIn) -> None:
    """The watchdog ends it; until then everything but its answers goes on."""
    onlooker = Onlooker(await come_in(theatre.site))
    async with Crowd(theatre.site, message="mock:length=40") as crowd:
        await asyncio.sleep(1)
        worker = theatre.site.workers[theatre.busiest()]
        engine, frozen = engine_of(worker), time.monotonic()
        assert engine is not None
        os.kill(engine, signal.SIGSTOP)
        while engine_of(worker) in (None, engine):
            assert time.monotonic() - frozen < HANG_SECONDS + 15
            await onlooker.look()
            await asyncio.sleep(0.5)
        restarted = time.monotonic() - frozen
        await crowd.leave(180)
        silence, again = crowd.longest_silence(frozen), crowd.check()
    print(f"a frozen engine was replaced after {restarted:.1f} s; meanwhile {onlooker.report()}")
    print(f"longest silence {silence:.1f} s, {again} continued by a new attempt")
    assert restarted > HANG_SECONDS - 5
    assert max(max(times) for times in onlooker.times.values()) < 1.0
    assert theatre.site.database.count("inference_workernode", ALIVE) == 2
