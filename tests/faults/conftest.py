"""A whole site with two of everything, on a Redis and a PostgreSQL that a test may break."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.databases import Database
from tests.support.fixtures import Sites
from tests.support.postgres import PostgresServer
from tests.support.programs import find_postgres, find_redis, needed
from tests.support.redis_server import RedisServer
from tests.support.site import Plan, Site

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


@pytest.fixture(scope="module")
def own_redis() -> Iterator[RedisServer]:
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        yield server


@pytest.fixture(scope="module")
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer(needed(find_postgres(), "PostgreSQL"), durable=True) as server:
        yield server


@pytest.fixture(scope="module")
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
    """Shared by the tests of a module: each mends what it broke, and begins with an empty queue."""
    site = _theatre.site
    for table in ("chat_message", "chat_conversation", "inference_generationrequest"):
        site.database.execute(f"DELETE FROM {table}")
    site.wait_until(
        lambda: site.database.count("inference_workernode", ALIVE) == 2,
        "two workers are not ready",
    )
    return _theatre
