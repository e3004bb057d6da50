"""Twenty people stream, one thing breaks, and every answer is what it would have been anyway."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.faults.conftest import Theatre, let_in
from tests.faults.crowd import Crowd
from tests.support.fixtures import ComeIn

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]

Gather = Callable[[], Awaitable[Crowd]]


@pytest.fixture
async def gather(theatre: Theatre) -> AsyncIterator[Gather]:
    crowds: list[Crowd] = []

    async def enter() -> Crowd:
        crowds.append(Crowd(theatre.site))
        await crowds[-1].enter()
        return crowds[-1]

    yield enter
    for crowd in crowds:
        crowd.go_home()


async def see_through(crowd: Crowd, what: str, since: float) -> float:
    """Waits until all got on after the fault, lets them finish, checks; the longest silence."""
    await crowd.until_all_grew(since)
    await crowd.leave()
    silence = crowd.longest_silence(since)
    again = crowd.check()
    print(
        f"{what}: longest silence {silence:.1f} s, {crowd.answers} answers,"
        f" {again} continued by a new attempt, {crowd.syncs} syncs"
    )
    return silence


async def test_a_worker_that_is_killed(theatre: Theatre, gather: Gather) -> None:
    crowd = await gather()
    await asyncio.sleep(1)
    number, killed = theatre.busiest(), time.monotonic()
    theatre.site.workers[number].kill()
    theatre.site.start_worker(number)
    assert await see_through(crowd, "kill -9 of a worker", killed) < 10


async def test_a_worker_that_is_frozen_and_wakes_up_too_late(
    theatre: Theatre, gather: Gather
) -> None:
    crowd = await gather()
    await asyncio.sleep(1)
    worker, frozen = theatre.site.workers[theatre.busiest()], time.monotonic()
    worker.pause()
    await crowd.until_all_grew(frozen + 1)
    worker.resume()
    assert await see_through(crowd, "a worker frozen past its lease", frozen) < 10
    assert all(one.is_running for one in theatre.site.workers)


async def test_a_worker_that_is_stopped(theatre: Theatre, gather: Gather) -> None:
    crowd = await gather()
    number, stopped = theatre.busiest(), time.monotonic()
    status = await asyncio.to_thread(theatre.site.workers[number].terminate, 20)
    theatre.site.start_worker(number)
    assert status == 0
    assert await see_through(crowd, "SIGTERM of a worker", stopped) < 3


async def test_a_web_process_that_is_killed_and_one_that_is_stopped(
    theatre: Theatre, gather: Gather
) -> None:
    crowd = await gather()
    killed = time.monotonic()
    theatre.site.web[0].kill()
    theatre.site.start_web(0)
    await crowd.until_all_grew(killed)
    stopped = time.monotonic()
    status = await asyncio.to_thread(theatre.site.web[1].terminate, 20)
    theatre.site.start_web(1)
    assert status == 0
    await see_through(crowd, "SIGTERM of a web process", stopped)
    silence = crowd.longest_silence(killed)
    print(f"kill -9 of a web process and SIGTERM of the other: longest silence {silence:.1f} s")
    assert silence < 10


async def test_a_redis_that_is_killed_and_comes_back_empty(
    theatre: Theatre, gather: Gather
) -> None:
    crowd = await gather()
    pids = [worker.pid for worker in theatre.site.workers]
    killed = time.monotonic()
    theatre.redis.kill()
    await asyncio.sleep(2)
    theatre.redis.start()
    assert await see_through(crowd, "kill -9 of Redis, 2 s without it", killed) < 10
    assert [worker.pid for worker in theatre.site.workers if worker.is_running] == pids


async def test_a_database_that_crashes(theatre: Theatre, gather: Gather) -> None:
    crowd = await gather()
    pids = [worker.pid for worker in theatre.site.workers]
    killed = time.monotonic()
    theatre.postgres.kill()
    theatre.postgres.start()
    assert await see_through(crowd, "kill -9 of PostgreSQL", killed) < 10
    assert [worker.pid for worker in theatre.site.workers if worker.is_running] == pids


async def test_nobody_who_asks_or_comes_after_a_crash_of_the_database_hears_of_it(
    theatre: Theatre, come_in: ComeIn
) -> None:
    """Each process finds out by itself that its connection is dead, before it needs it."""
    people = await let_in(theatre, come_in, 2)
    theatre.postgres.kill()
    theatre.postgres.start()
    people += await let_in(theatre, come_in, 2)
    requests = [await person.send("mock:length=5") for person in people]
    for person, request in zip(people, requests, strict=True):
        assert (await person.answer(request)).finish_reason == "stop"
