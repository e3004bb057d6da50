"""Fixtures over real programs. A missing program skips the test, and fails it under CI=true."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from tests.support.client import Person
from tests.support.databases import Database
from tests.support.postgres import PostgresServer
from tests.support.programs import find_postgres, find_redis, needed
from tests.support.redis_server import RedisServer
from tests.support.site import Plan, Site, SiteBuilder, Topology

DatabaseKind = Literal["sqlite", "postgres"]
# Both of each are in the two that every run has; the others are for the long one.
COMBINATIONS = [
    pytest.param(("embedded", "sqlite"), id="embedded-sqlite"),
    pytest.param(
        ("embedded", "postgres"),
        id="embedded-postgres",
        marks=[pytest.mark.postgres, pytest.mark.long],
    ),
    pytest.param(
        ("split", "sqlite"), id="split-sqlite", marks=[pytest.mark.redis, pytest.mark.long]
    ),
    pytest.param(
        ("split", "postgres"),
        id="split-postgres",
        marks=[pytest.mark.redis, pytest.mark.postgres],
    ),
]
StartSite = Callable[..., Site]
ComeIn = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """One for the whole run; a test that breaks Redis makes its own `RedisServer`."""
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with PostgresServer(needed(find_postgres(), "PostgreSQL")) as server:
        yield server


@dataclass
class Sites:
    """Makes sites, and the servers that they need, when they are first needed."""

    request: pytest.FixtureRequest
    builder: SiteBuilder
    _template: str = ""

    def make(self, plan: Plan, database: DatabaseKind = "sqlite", redis_url: str = "") -> Site:
        """A site that is not started yet, on the common Redis unless another one is given."""
        folder = self.builder.folder_for(f"{plan.topology}-{database}")
        made = self._postgres() if database == "postgres" else self.builder.sqlite(folder)
        if plan.topology == "split" and not redis_url:
            redis_url = self._redis_url()
        return Site(plan, folder, made, redis_url)

    def _postgres(self) -> Database:
        server: PostgresServer = self.request.getfixturevalue("postgres_server")
        if not self._template:
            url = server.create_database()
            self.builder.migrate(url)
            self._template = url.rpartition("/")[2]
        return Database(server.create_database(self._template))

    def _redis_url(self) -> str:
        server: RedisServer = self.request.getfixturevalue("redis_server")
        return server.url


@pytest.fixture(scope="session")
def sites(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sites:
    return Sites(request, SiteBuilder(tmp_path_factory.mktemp("sites")))


@pytest.fixture(scope="session", params=COMBINATIONS)
def _running_site(request: pytest.FixtureRequest, sites: Sites) -> Iterator[Site]:
    topology: Topology
    database: DatabaseKind
    topology, database = request.param
    web = 2 if topology == "split" else 1
    site = sites.make(Plan(topology=topology, web=web), database)
    site.start()
    yield site
    site.stop()


@pytest.fixture
def site(_running_site: Site) -> Site:
    """The running site of each combination, shared by the tests that leave it as it was.

    N=2, Q=5, no bounds per person, the mock engine at 20 tokens a second.
    """
    _running_site.database.set_policy(max_running=2, max_waiting=5)
    return _running_site


@pytest.fixture
def start_site(sites: Sites) -> Iterator[StartSite]:
    """Starts sites of this one test, like `start_site("postgres", n=1)`; ends and checks them."""
    with ExitStack() as stack:

        def start(database: DatabaseKind = "sqlite", **plan: Any) -> Site:
            site = sites.make(Plan(**plan), database)
            stack.callback(site.stop)
            return site.start()

        yield start


@pytest.fixture
async def come_in() -> AsyncIterator[ComeIn]:
    """Lets guests in, like `await come_in(site)`; ends what they left in the queue."""
    people: list[Person] = []

    async def enter(site: Site, web: int = 0) -> Person:
        person = await Person.guest(site.urls[web % len(site.urls)])
        people.append(person)
        return person

    yield enter
    await asyncio.gather(*(person.leave_nothing_running() for person in people))
    await asyncio.gather(*(person.close() for person in people))


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """One of this test alone, which may break it."""
    with RedisServer(needed(find_redis(), "redis-server")) as server:
        yield server


@pytest.fixture
def fragile_site(sites: Sites, redis: RedisServer) -> Iterator[Site]:
    """Web and worker apart, on the test's own Redis."""
    site = sites.make(Plan(topology="split"), redis_url=redis.url)
    site.start()
    yield site
    site.stop()
