"""People whose connection ends, well or badly: their answers go on, and wait for them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import redis

from inference.conf import WANTED_SECONDS
from tests.faults.mock_text import undisturbed
from tests.faults.proxy import proxy_before
from tests.support.client import Person
from tests.support.fixtures import ComeIn, Sites
from tests.support.reader import Reader
from tests.support.site import Plan, Site

SEED = 7
NOTICED_WITHIN = 20 + 30 + 2 * 2  # Daphne's interval of pings, its patience, its own looks
REQUESTS = "inference_generationrequest"

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture(scope="module")
def _lost_site(sites: Sites) -> Iterator[Site]:
    site = sites.make(Plan(topology="split", n=1), "postgres")
    site.start()
    yield site
    site.stop()


@pytest.fixture
def site(_lost_site: Site) -> Site:
    """One place for all, on PostgreSQL."""
    for table in ("chat_message", "chat_conversation", REQUESTS):
        _lost_site.database.execute(f"DELETE FROM {table}")
    return _lost_site


async def _ask(person: Person, text: str) -> str:
    """Returns the request, with the beginning of its answer seen."""
    request = await person.send(text, seed=SEED)
    await person.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 20)
    return request


async def _comes_back(person: Person, request: str, text: str) -> float:
    """To a whole answer that nobody disturbed; how many seconds it took to read."""
    start, had = time.monotonic(), len(person.answer_so_far(request).text)
    hello = await person.open()
    active = {one["request"]: one for one in hello["active"]}
    if request in active:
        assert active[request]["state"] == "running" and active[request]["attempt"] == 1
        assert active[request]["offset"] > 0
    else:
        assert not active
    await person.say(type="request.sync", request=request, offset=had)
    assert await Reader(person, request).whole() == undisturbed(text, SEED)
    return time.monotonic() - start


def _row(site: Site, request: str) -> tuple[str, str, str, int]:
    (row,) = site.database.execute(
        f"SELECT state, finish_reason, code, attempt FROM {REQUESTS} WHERE public_id = %s",
        [request],
    )
    return (row[0], row[1], row[2], row[3])


async def _until_over(site: Site, request: str, seconds: float) -> float:
    start = time.monotonic()
    async with asyncio.timeout(seconds):
        while _row(site, request)[0] in ("waiting", "running"):
            await asyncio.sleep(0.1)
    return time.monotonic() - start


@pytest.mark.parametrize(
    ("lose", "away"),
    [(Person.leave, 0.3), (Person.crash, 0.3), (Person.crash, 2.0)],
    ids=["closed, back while it runs", "reset, back while it runs", "reset, back when it is over"],
)
async def test_an_answer_goes_on_without_its_reader(
    site: Site, come_in: ComeIn, lose: Callable[[Person], Awaitable[None]], away: float
) -> None:
    alice, text = await come_in(site), "mock:length=30"
    request = await _ask(alice, text)
    await lose(alice)
    await asyncio.sleep(away)
    assert _row(site, request)[0] == ("running" if away < 1 else "finished")
    seconds = await _comes_back(alice, request, text)
    print(f"whole {seconds:.2f} s after coming back")
    assert _row(site, request) == ("finished", "stop", "", 1)


async def test_a_waiting_request_outlives_its_reader_for_its_grace_only(
    site: Site, come_in: ComeIn
) -> None:
    """The end of the grace is written closer; how long it really is, a long test shows."""
    alice, bob = await come_in(site), await come_in(site)
    await _ask(bob, "mock:length=1000")
    request = await alice.send("mock:length=5")
    await alice.crash()
    (left,) = site.database.execute(
        f"SELECT extract(epoch FROM wanted_until - now()) FROM {REQUESTS} WHERE public_id = %s",
        [request],
    )
    assert WANTED_SECONDS - 5 < left[0] <= WANTED_SECONDS
    await asyncio.sleep(2)  # of housekeeping
    assert _row(site, request)[0] == "waiting"
    gone = time.monotonic()
    _gone_in(site, request, 1.5)
    await _until_over(site, request, 10)
    seconds = time.monotonic() - gone
    assert _row(site, request) == ("aborted", "aborted", "expired", 0)
    print(f"dropped {seconds:.1f} s after a grace of 1.5 s began")
    assert 1.5 < seconds < 6


def _gone_in(site: Site, request: str, seconds: float) -> None:
    site.database.execute(
        f"UPDATE {REQUESTS} SET wanted_until = clock_timestamp() + make_interval(secs => %s)"
        " WHERE public_id = %s",
        [seconds, request],
    )


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_waiting_request_is_kept_while_somebody_is_there_and_dropped_after_its_grace(
    site: Site, come_in: ComeIn
) -> None:
    alice, bob, carol = [await come_in(site) for _ in range(3)]
    await _ask(bob, "mock:length=1000 mock:rate=5")
    requests = {person: await person.send("mock:length=5") for person in (alice, carol)}
    _gone_in(site, requests[alice], 15)
    await carol.crash()
    seconds = await _until_over(site, requests[carol], WANTED_SECONDS + 15)
    print(f"dropped {seconds:.1f} s after its person left")
    assert WANTED_SECONDS - 5 < seconds < WANTED_SECONDS + 5
    assert _row(site, requests[alice])[0] == "waiting"


@pytest.mark.long
@pytest.mark.timeout(240)
async def test_a_half_open_connection_is_noticed(site: Site) -> None:
    text = "mock:length=1000 mock:rate=14"
    async with proxy_before(site.url) as proxy:
        alice = await Person.guest(proxy.url)
        request = await _ask(alice, text)
        proxy.fall_silent()
        await asyncio.sleep(1)
        assert _subscribers(site, alice) == 1
        noticed = await proxy.until_the_site_hangs_up(NOTICED_WITHIN)
        await asyncio.sleep(0.5)
        assert _subscribers(site, alice) == 0
        print(f"a half-open connection was given up after {noticed:.1f} s")
        assert _row(site, request)[0] == "running"
        alice.url = site.url
        seconds = await _comes_back(alice, request, text)
        print(f"whole {seconds:.1f} s after coming back")
        await alice.close()


def _subscribers(site: Site, person: Person) -> int:
    """Of this person's group, in Redis: one for each web process with a tab of theirs."""
    name = f"chatsite__group__user.{person.frames[0]['user']['id']}"
    with redis.Redis.from_url(site.env["REDIS_URL"]) as client:
        ((_, count),) = client.pubsub_numsub(name)
    return int(count)
