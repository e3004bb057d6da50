"""Twenty people stream, one thing breaks, and every answer is what it would have been anyway."""

import asyncio
import shutil
import sys
import time

import pytest

from tests.faults.conftest import Theatre, let_in
from tests.faults.crowd import Crowd, see_through
from tests.support.fixtures import ComeIn
from tests.support.processes import Process

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]

HOLD_THE_LOCK = """
import os, time
import django
os.environ["DJANGO_SETTINGS_MODULE"] = "chatsite.settings"
django.setup()
from django.db import transaction
from inference.queue.policy import locked_policy
with transaction.atomic():
    locked_policy()
    print("held", flush=True)
    time.sleep(600)
"""


async def test_a_worker_that_is_killed(theatre: Theatre, crowd: Crowd) -> None:
    await asyncio.sleep(1)
    number, killed = theatre.busiest(), time.monotonic()
    theatre.site.workers[number].kill()
    theatre.site.start_worker(number)
    assert await see_through(crowd, "kill -9 of a worker", killed) < 10


@pytest.mark.long
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare")
async def test_a_worker_of_another_container_that_is_killed(theatre: Theatre) -> None:
    """In a space of processes of its own: nobody sees that it is gone, and its lease decides."""
    theatre.site.workers[0].terminate()
    theatre.site.start_worker(0, before=["unshare", "--pid", "--fork", "--kill-child"])
    theatre.site.wait_until(theatre.all_live, "two workers are not ready")
    theatre.site.workers[1].terminate()
    async with Crowd(theatre.site) as crowd:
        theatre.site.start_worker(1)
        await asyncio.to_thread(theatre.site.wait_until, theatre.all_live, "nobody came")
        await crowd.until_all_grew(time.monotonic() + 1)
        killed = time.monotonic()
        theatre.site.workers[0].kill()
        assert await see_through(crowd, "kill -9 in another container", killed) < 10
    theatre.site.start_worker(0)


async def test_a_worker_that_is_frozen_and_wakes_up_too_late(
    theatre: Theatre, crowd: Crowd
) -> None:
    await asyncio.sleep(1)
    worker, frozen = theatre.site.workers[theatre.busiest()], time.monotonic()
    worker.pause()
    await crowd.until_all_grew(frozen + 1)
    worker.resume()
    assert await see_through(crowd, "a worker frozen past its lease", frozen) < 10
    assert all(one.is_running for one in theatre.site.workers)


async def test_a_process_that_freezes_while_it_holds_the_lock_of_the_queue(
    theatre: Theatre, crowd: Crowd
) -> None:
    command = [sys.executable, "-c", HOLD_THE_LOCK]
    log = theatre.site.folder / "frozen.log"
    frozen = Process("frozen", command, log, env=theatre.site.env)
    await asyncio.to_thread(
        theatre.site.wait_until, lambda: "held" in frozen.output(), "it holds no lock"
    )
    held = time.monotonic()
    frozen.pause()
    try:
        assert await see_through(crowd, "a process frozen with the lock of the queue", held) < 10
    finally:
        frozen.kill()


async def test_a_worker_that_is_stopped(theatre: Theatre, crowd: Crowd) -> None:
    number, stopped = theatre.busiest(), time.monotonic()
    status = await asyncio.to_thread(theatre.site.workers[number].terminate, 20)
    theatre.site.start_worker(number)
    assert status == 0
    assert await see_through(crowd, "SIGTERM of a worker", stopped) < 3


async def test_a_web_process_that_is_killed_and_one_that_is_stopped(
    theatre: Theatre, crowd: Crowd
) -> None:
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


async def test_a_redis_that_is_killed_and_comes_back_empty(theatre: Theatre, crowd: Crowd) -> None:
    pids = [worker.pid for worker in theatre.site.workers]
    killed = time.monotonic()
    theatre.redis.kill()
    await asyncio.sleep(2)
    theatre.redis.start()
    assert await see_through(crowd, "kill -9 of Redis, 2 s without it", killed) < 10
    assert [worker.pid for worker in theatre.site.workers if worker.is_running] == pids


async def test_a_database_that_crashes(theatre: Theatre, crowd: Crowd) -> None:
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
