"""Half an hour at two thirds of what the site can do, with a fault each minute: nothing grows."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psutil
import pytest
import redis as redis_client

from tests.faults.conftest import Theatre
from tests.faults.crowd import Crowd
from tests.support.processes import engines_of

MINUTES = 30
WARM_UP_MINUTES = 5
# A site that leaked a kilobyte for each answer would grow by a megabyte in a minute here.
MEGABYTES_A_MINUTE = 1.0

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.long]
Fault = Callable[[Theatre], Awaitable[None]]


async def an_engine_dies(theatre: Theatre) -> None:
    """Of the worker that stays the same process from the beginning to the end."""
    for engine in engines_of(theatre.site.workers[0]):
        engine.kill()


async def a_worker_dies(theatre: Theatre) -> None:
    theatre.site.workers[1].kill()
    theatre.site.start_worker(1)


async def redis_restarts(theatre: Theatre) -> None:
    theatre.redis.kill()
    await asyncio.sleep(1)
    theatre.redis.start()


async def redis_freezes(theatre: Theatre) -> None:
    theatre.redis.pause()
    await asyncio.sleep(3)
    theatre.redis.resume()


async def sessions_of_the_database_end(theatre: Theatre) -> None:
    theatre.site.database.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )


FAULTS: list[Fault] = [
    an_engine_dies,
    a_worker_dies,
    redis_restarts,
    redis_freezes,
    sessions_of_the_database_end,
]


@dataclass
class Sample:
    """Of the processes that must live through it all, by name."""

    minute: float
    megabytes: dict[str, float] = field(default_factory=dict)
    files: dict[str, int] = field(default_factory=dict)
    keys: int = 0
    channels: int = 0


def sample(theatre: Theatre, began: float) -> Sample:
    found = Sample((time.monotonic() - began) / 60)
    for process in [*theatre.site.web, theatre.site.workers[0]]:
        seen = psutil.Process(process.pid)
        found.megabytes[process.name] = seen.memory_info().rss / 2**20
        found.files[process.name] = seen.num_fds()
    with redis_client.Redis.from_url(theatre.redis.url) as client:
        found.keys, found.channels = client.dbsize(), len(client.pubsub_channels())
    return found


def slope(samples: list[Sample], name: str) -> float:
    """Megabytes a minute, by least squares."""
    times = [one.minute for one in samples]
    sizes = [one.megabytes[name] for one in samples]
    middle_time, middle_size = sum(times) / len(times), sum(sizes) / len(sizes)
    above = sum((t - middle_time) * (s - middle_size) for t, s in zip(times, sizes, strict=True))
    return above / sum((t - middle_time) ** 2 for t in times)


@pytest.mark.timeout(60 * (MINUTES + 5))
async def test_half_an_hour_of_faults_leaves_nothing_behind(theatre: Theatre) -> None:
    dice = random.Random(28)
    samples: list[Sample] = []
    async with Crowd(theatre.site, message="mock:length=150 mock:rate=40") as crowd:
        began = time.monotonic()
        for minute in range(MINUTES):
            await dice.choice(FAULTS)(theatre)
            await crowd.until_all_grew(time.monotonic())
            await asyncio.sleep(max(0.0, began + 60 * (minute + 1) - time.monotonic()))
            samples.append(sample(theatre, began))
        await crowd.leave()
    again, settled = crowd.check(), [one for one in samples if one.minute > WARM_UP_MINUTES]
    print(f"{crowd.answers} answers, {again} continued, {crowd.syncs} syncs; {samples[-1]}")
    for name in settled[0].megabytes:
        growth = slope(settled, name)
        print(f"{name}: {growth:+.2f} MB a minute")
        assert growth < MEGABYTES_A_MINUTE
        assert settled[-1].files[name] <= settled[0].files[name] + 20
    assert settled[-1].keys <= settled[0].keys + 5
    assert settled[-1].channels <= settled[0].channels + 5
