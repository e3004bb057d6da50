"""A whole site with two of everything, on a Redis and a PostgreSQL that a test may break."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import pytest

from tests.faults.crowd import Crowd
from tests.support.client import Person
from tests.support.databases import Database
from tests.support.fixtures import ComeIn, Sites
from tests.support.postgres import PostgresServer
from tests.support.programs import find_postgres, find_redis, needed
from tests.support.redis_server import RedisServer
from tests.support.site import Plan, Site

POLICY: dict[str, int | str] = {
    "max_running": 20,
    "max_waiting": 100,
    "order": "fair",
    "paused": False,
}
AT_ONCE = 50
ALIVE = "state = 'ready' AND heartbeat_at > now() - interval '3 seconds'"


@dataclass
class Theatre:
    """Two Daphnes, two workers with twenty places each, and what they stand on."""

    site: Site
    redis: RedisServer
    postgres: PostgresServer

    def busiest(self) -> int:
        """The number of the worker that runs most."""
        rows = self.site.database.execute(
            "SELECT w.pid FROM inference_generationrequest r"
            " JOIN inference_workernode w ON w.id = r.worker_id WHERE r.state = 'running'"
            " GROUP BY w.pid ORDER BY count(*) DESC"
        )
        return [worker.pid for worker in self.site.workers].index(rows[0][0])

    def all_live(self) -> bool:
        """True when every worker that runs has said so lately."""
        running = sum(worker.is_running for worker in self.site.workers)
        return self.site.database.count("inference_workernode", ALIVE) == running


def forget_all(database: Database) -> None:
    """An empty queue, and no conversation."""
    for table in ("chat_message", "chat_conversation", "inference_generationrequest"):
        database.execute(f"DELETE FROM {table}")


async def let_in(theatre: Theatre, come_in: ComeIn, count: int) -> list[Person]:
    """So many guests, half of them at each web process; not more at once than a database takes."""
    people: list[Person] = []
    while len(people) < count:
        group = range(len(people), min(len(people) + AT_ONCE, count))
        people += await asyncio.gather(*(come_in(theatre.site, web=number) for number in group))
    return people


@pytest.fixture(scope="package")
def own_redis() -> Iterator[RedisServer]:
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        yield server


@pytest.fixture(scope="package")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer(needed(find_postgres(), "PostgreSQL"), durable=True) as server:
        yield server


@pytest.fixture(scope="package")
def _theatre(
    sites: Sites, own_redis: RedisServer, own_postgres: PostgresServer
) -> Iterator[Theatre]:
    url = own_postgres.create_database()
    sites.builder.migrate(url)
    folder = sites.builder.folder_for("theatre")
    plan = Plan(topology="split", web=2, workers=2, n=20)
    site = Site(plan, folder, Database(url), own_redis.url)
    site.start()
    yield Theatre(site, own_redis, own_postgres)
    site.stop()


@pytest.fixture
def theatre(_theatre: Theatre) -> Theatre:
    """Shared by the tests here: each mends what it broke, and begins with an empty queue."""
    site = _theatre.site
    site.database.set_policy(**POLICY)
    forget_all(site.database)
    site.wait_until(_theatre.all_live, "not every worker is ready")
    return _theatre


@pytest.fixture
async def crowd(theatre: Theatre) -> AsyncIterator[Crowd]:
    """Twenty people who stream, until the test is over."""
    async with Crowd(theatre.site) as people:
        yield people
