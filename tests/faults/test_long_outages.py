"""What a site stands on stays away for long, or comes and goes; the readers lose nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import psycopg
import pytest
import redis as redis_client

from tests.faults.conftest import Theatre
from tests.faults.crowd import Crowd

HEALS_WITHIN = 10.0

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.long, pytest.mark.timeout(300)]

Fault = Callable[[Theatre], Awaitable[None]]


# --- Redis --------------------------------------------------------------------------------------


async def redis_freezes_for_10_seconds(theatre: Theatre) -> None:
    await _frozen_redis(theatre, 10)


async def redis_freezes_for_a_minute(theatre: Theatre) -> None:
    await _frozen_redis(theatre, 60)


async def _frozen_redis(theatre: Theatre, seconds: float) -> None:
    theatre.redis.pause()
    await asyncio.sleep(seconds)
    theatre.redis.resume()


async def redis_has_no_memory_left(theatre: Theatre) -> None:
    with _redis(theatre) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", 1)
        await asyncio.sleep(10)
        client.config_set("maxmemory", 0)


async def redis_cuts_every_connection_each_second(theatre: Theatre) -> None:
    with _redis(theatre) as client:
        for _ in range(20):
            for kind in ("normal", "pubsub"):
                client.client_kill_filter(_type=kind, skipme=True)
            await asyncio.sleep(1)


async def redis_wants_a_password_that_nobody_has(theatre: Theatre) -> None:
    with _redis(theatre) as client:
        client.config_set("requirepass", "changed")
        for kind in ("normal", "pubsub"):
            client.client_kill_filter(_type=kind, skipme=True)
        await asyncio.sleep(20)
        client.config_set("requirepass", "")


def _redis(theatre: Theatre) -> redis_client.Redis:
    return redis_client.Redis.from_url(theatre.redis.url)


# --- PostgreSQL ---------------------------------------------------------------------------------


async def postgres_crashes_three_times(theatre: Theatre) -> None:
    for _ in range(3):
        theatre.postgres.kill()
        theatre.postgres.start()
        await asyncio.sleep(3)


async def postgres_ends_every_session_again_and_again(theatre: Theatre) -> None:
    for _ in range(10):
        theatre.site.database.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )
        await asyncio.sleep(2)


async def somebody_locks_the_queue_for_longer_than_a_lease(theatre: Theatre) -> None:
    with psycopg.connect(theatre.site.database.url) as connection:
        connection.execute("LOCK TABLE inference_generationrequest IN ACCESS EXCLUSIVE MODE")
        await asyncio.sleep(10)


FAULTS = [
    redis_freezes_for_10_seconds,
    redis_freezes_for_a_minute,
    redis_has_no_memory_left,
    redis_cuts_every_connection_each_second,
    redis_wants_a_password_that_nobody_has,
    postgres_crashes_three_times,
    postgres_ends_every_session_again_and_again,
    somebody_locks_the_queue_for_longer_than_a_lease,
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_everybody_reads_on_when_it_is_over(
    theatre: Theatre, crowd: Crowd, fault: Fault
) -> None:
    pids = [process.pid for process in [*theatre.site.workers, *theatre.site.web]]
    await fault(theatre)
    healed = await crowd.until_all_grew(time.monotonic())
    await crowd.leave()
    again = crowd.check()
    print(
        f"{fault.__name__}: all read on {healed:.1f} s after its end,"
        f" {crowd.answers} answers, {again} continued, {crowd.syncs} syncs"
    )
    assert healed < HEALS_WITHIN
    alive = [one.pid for one in [*theatre.site.workers, *theatre.site.web] if one.is_running]
    assert alive == pids, "a process gave up"


async def test_a_worker_that_wakes_up_too_late_five_times_over(
    theatre: Theatre, crowd: Crowd
) -> None:
    """Each time the other one has gone on; nothing that the sleeper says counts any more."""
    for _ in range(5):
        worker, frozen = theatre.site.workers[theatre.busiest()], time.monotonic()
        worker.pause()
        try:
            await crowd.until_all_grew(frozen + 1)
        finally:
            worker.resume()
        await asyncio.sleep(1)
    await crowd.leave()
    print(f"five frozen workers: {crowd.check()} of {crowd.answers} answers were continued")
