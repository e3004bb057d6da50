"""Too few database connections, too few descriptors: refusals and waits, and nothing dies."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

import httpx
import psutil
import psycopg
import pytest
import redis
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.crowd import Crowd
from tests.support.client import Person
from tests.support.databases import Database
from tests.support.fixtures import ComeIn, Sites
from tests.support.postgres import PostgresServer
from tests.support.programs import find_postgres, needed
from tests.support.site import Plan, Site

CONNECTIONS = 15
DESCRIPTORS = 128
SOCKETS = 200
HELD_SECONDS = 4.0
# A lease, and some answers one after the other: what was claimed in the last moment before has
# gained nothing, so it is suspect and runs alone.
RESCUED_WITHIN = 26.0
CYCLES = [pytest.param(60), pytest.param(300, marks=[pytest.mark.long])]

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def site(sites: Sites) -> Iterator[Site]:
    site = sites.make(Plan(topology="split", n=20), "postgres")
    site.start()
    yield site
    site.stop()


@pytest.fixture
def cramped(sites: Sites) -> Iterator[Site]:
    """Two of everything on a PostgreSQL that takes fifteen connections, ours included."""
    programs = needed(find_postgres(), "PostgreSQL")
    with PostgresServer(programs, max_connections=CONNECTIONS) as server:
        url = server.create_database()
        sites.builder.migrate(url)
        common = sites.make(Plan(topology="split"))  # for its Redis
        site = Site(
            Plan(topology="split", web=2, workers=2, n=20),
            sites.builder.folder_for("cramped"),
            Database(url),
            common.env["REDIS_URL"],
        )
        site.start()
        yield site
        site.stop()


class PatientCrowd(Crowd):
    """Whose people load a page again when it fails; keeps what came instead of a page."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.statuses: Counter[int] = Counter()

    async def come_in(self) -> None:
        for person in self.people:
            await person.come_in()

    async def reload(self, seconds: float) -> None:
        """Everybody loads pages all the time, beside the answers that they read."""
        async with httpx.AsyncClient(timeout=20) as http:
            until = time.monotonic() + seconds
            await asyncio.gather(*(self._reload(http, one, until) for one in self.site.urls * 10))

    async def _reload(self, http: httpx.AsyncClient, url: str, until: float) -> None:
        cookies = {"Cookie": self.people[0].cookies}
        while time.monotonic() < until:
            self.statuses[(await http.get(f"{url}/", headers=cookies)).status_code] += 1

    def refusals(self) -> list[str]:
        """Their codes; also what sockets said of other frames, which must be nothing else."""
        told = [word for person in self.people for word in person.broken]
        assert all('"internal"' in word for word in told), told
        for person in self.people:
            person.broken.clear()
        asked = [one for person in self.people for one in person.asked]
        return [event["code"] for one in asked for event in one.rejections] + ["error"] * len(told)


def _take_all_connections(stack: ExitStack, url: str) -> int:
    """Every one that is free, then those of everybody else; how many we hold in the end."""
    held: list[psycopg.Connection[Any]] = []
    for _ in range(3):
        with suppress(psycopg.OperationalError):
            while True:
                held.append(stack.enter_context(psycopg.connect(url, autocommit=True)))
        held[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND NOT pid = ANY(%s)",
            [[one.info.backend_pid for one in held]],
        )
        time.sleep(0.05)
    return len(held)


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_a_crowd_on_few_database_connections(cramped: Site) -> None:
    pids = [process.pid for process in [*cramped.web, *cramped.workers]]
    async with PatientCrowd(cramped) as crowd:
        await crowd.reload(5)
        print(f"pages while twenty load at once: {dict(crowd.statuses)}")
        assert set(crowd.statuses) <= {200, 503} and crowd.statuses[200]
        assert not crowd.refusals()
        taken = time.monotonic()
        with ExitStack() as stack:
            held = await asyncio.to_thread(_take_all_connections, stack, cramped.database.url)
            await asyncio.sleep(HELD_SECONDS)
        await crowd.until_all_grew(time.monotonic())
        await crowd.leave()
        silence, refusals = crowd.longest_silence(taken), Counter[str](crowd.refusals())
        print(
            f"all connections taken for {HELD_SECONDS:g} s ({held} of {CONNECTIONS} held):"
            f" longest silence {silence:.1f} s, refusals {dict(refusals)},"
            f" {crowd.answers} answers, {crowd.check()} continued by a new attempt,"
            f" {cramped.database.count('inference_generationrequest', 'suspect')} of them alone"
        )
    assert set(refusals) <= {"internal", "error"}
    assert silence < HELD_SECONDS + RESCUED_WITHIN
    assert [process.pid for process in [*cramped.web, *cramped.workers]] == pids
    assert all(process.is_running for process in [*cramped.web, *cramped.workers])
    assert httpx.get(cramped.url).status_code == 200


async def test_pages_leave_no_database_connections_behind(site: Site, come_in: ComeIn) -> None:
    alice = await come_in(site)
    before = _connections(site)
    for _ in range(3):
        pages = await asyncio.gather(*(alice.http.get("/") for _ in range(20)))
        assert {page.status_code for page in pages} == {200}
    await asyncio.sleep(0.5)
    print(f"{before} database connections before sixty pages, {_connections(site)} after")
    assert _connections(site) <= before


def _connections(site: Site) -> int:
    where = "datname = current_database() AND pid <> pg_backend_pid()"
    return site.database.count("pg_stat_activity", where)


@pytest.mark.parametrize("cycles", CYCLES)
async def test_connections_that_come_and_go_leave_nothing_behind(
    site: Site, come_in: ComeIn, cycles: int
) -> None:
    alice, web = await come_in(site), psutil.Process(site.web[0].pid)
    await alice.leave()
    with redis.Redis.from_url(site.env["REDIS_URL"]) as client:
        await _come_and_go(alice, 20)
        await asyncio.sleep(1)
        descriptors, channels = web.num_fds(), set(client.pubsub_channels())
        for _ in range(cycles // 20):
            await _come_and_go(alice, 20)
        await asyncio.sleep(1)
        after = web.num_fds()
        print(f"{cycles} sockets: {descriptors} descriptors before, {after} after")
        assert after <= descriptors
        assert set(client.pubsub_channels()) == channels
        assert not [name for name in channels if _names(alice, name)]


def _names(person: Person, channel: bytes) -> bool:
    return channel.endswith(f"user.{person.frames[0]['user']['id']}".encode())


async def _come_and_go(person: Person, sockets: int) -> None:
    """Half of them close, half of them are cut off."""
    async with asyncio.TaskGroup() as group:
        for number in range(sockets):
            group.create_task(_one(person, crash=number % 2 == 0))


async def _one(person: Person, crash: bool) -> None:
    async with _socket_of(person) as socket:
        assert "hello" in str(await socket.recv())
        if crash:
            socket.transport.abort()


@asynccontextmanager
async def _socket_of(person: Person) -> AsyncIterator[ClientConnection]:
    """Another tab; for tests that open many."""
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies.jar)
    async with connect(
        f"{person.url.replace('http', 'ws', 1)}/ws/chat/",
        origin=person.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": cookies},
        open_timeout=5,
        ping_interval=None,
        close_timeout=1,
        proxy=None,
    ) as socket:
        yield socket


@pytest.mark.long
async def test_a_web_process_without_free_descriptors(site: Site, come_in: ComeIn) -> None:
    alice, web = await come_in(site), psutil.Process(site.web[0].pid)
    limits = web.rlimit(psutil.RLIMIT_NOFILE)
    web.rlimit(psutil.RLIMIT_NOFILE, (DESCRIPTORS, limits[1]))
    request = await alice.send("mock:length=200")
    leave = asyncio.Event()
    sitters = [asyncio.create_task(_sit(alice, leave)) for _ in range(SOCKETS)]
    await alice.answer(request)
    used = web.num_fds()
    leave.set()
    seated = sum(await asyncio.gather(*sitters))
    print(f"{seated} of {SOCKETS} sockets got in, {used} of {DESCRIPTORS} descriptors used")
    assert 50 < seated < DESCRIPTORS
    assert used <= DESCRIPTORS
    assert site.web[0].is_running
    freed = time.monotonic()
    await asyncio.to_thread(site.wait_for_status, site.url, 200, 10.0)
    await _one(alice, crash=False)
    print(f"everything answers {time.monotonic() - freed:.1f} s after they left")
    web.rlimit(psutil.RLIMIT_NOFILE, limits)


async def _sit(person: Person, leave: asyncio.Event) -> bool:
    """Whether a socket was let in; keeps it until all leave."""
    with suppress(OSError, WebSocketException, TimeoutError):
        async with _socket_of(person) as socket:
            async with asyncio.timeout(5):
                await socket.recv()
            await leave.wait()
            return True
    return False
