"""Everybody in turn: whoever asks for much does not keep the others waiting, now or later."""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from tests.faults.conftest import Theatre, forget_all
from tests.faults.rows import Row, rows_of
from tests.support.client import Person
from tests.support.fixtures import ComeIn, StartSite
from tests.support.site import Site

SLOW = "mock:rate=0.2 mock:length=1000"
SHORT = "mock:length=3 mock:rate=100"

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def site(theatre: Theatre) -> Iterator[Site]:
    """Two workers with a place each, and no bounds per person."""
    theatre.site.database.set_policy(max_running=1)
    yield theatre.site


async def test_after_fifty_of_one_person_another_gets_the_first_place_that_comes_free(
    site: Site, come_in: ComeIn
) -> None:
    flooder, other = await come_in(site), await come_in(site, web=1)
    await _send_many(flooder, 50)
    request = await other.send(SHORT)
    mine = (await _all_started(site, 51))[request]
    between = _started_between(site, mine)
    # Who comes when a place has just come free may meet somebody who came a moment before.
    free = 2 - _ran_at(site, mine.submitted_at)
    assert mine.claimed_at is not None
    waited = (mine.claimed_at - mine.submitted_at).total_seconds()
    print(
        f"one behind fifty: {between} of them started first into {free} free places,"
        f" {waited:.2f} s to wait"
    )
    assert between <= free
    await _all_ended(site)


async def test_of_one_who_floods_and_nine_who_come_once_the_nine_start_before_the_second_of_the_one(
    site: Site, come_in: ComeIn
) -> None:
    """By turns; first come, first served shows that it is the order which does it."""
    flooder = await come_in(site)
    nine = await asyncio.gather(*(come_in(site, web=number) for number in range(9)))
    for order, expected in [("fair", 1), ("fifo", 40)]:
        site.database.set_policy(order=order, paused=True)
        flood = await _send_many(flooder, 40)
        await asyncio.gather(*(person.send(SHORT) for person in nine))
        site.database.set_policy(paused=False)
        rows = await _all_started(site, 49)
        before = _flood_before_the_last_other(rows, set(flood))
        print(f"{order}: {before} of the flooder's 40 started before the last of the nine")
        assert before == expected
        await _all_ended(site)
        forget_all(site.database)


async def test_nine_who_come_while_a_flood_runs_all_start_before_its_next(
    site: Site, come_in: ComeIn
) -> None:
    """Even though the flooder is at their first again whenever nothing of theirs runs."""
    flooder = await come_in(site)
    nine = await asyncio.gather(*(come_in(site, web=number) for number in range(9)))
    flood = await _send_many(flooder, 40, first=SLOW)
    await _until_states(site, running=2)
    await asyncio.gather(*(person.send(SHORT) for person in nine))
    for running in flood[:2]:
        await flooder.abort(running)
    rows = await _all_started(site, 49)
    before = _flood_before_the_last_other(rows, set(flood))
    print(f"into a running flood: {before} of its 40 started before the last of the nine")
    assert before == 2  # those that ran already
    await _all_ended(site)


# --- Shares over time ---------------------------------------------------------------------------

# Of the mock's echo each character is a token, so what was delivered is counted by the text.
# Twenty tokens an answer: in twenty seconds three places give eight people some fifteen answers
# each, and whoever is just between two of them is off by a fifteenth, which the index takes for
# 0.998 or more. With four answers each it would mostly tell who was in the middle of the last.
ANSWER = "mock:echo mock:rate=50 abcdefghijklmnopqrst"
ASK_SECONDS = 20.0
PEOPLE = 8


@pytest.mark.long
@pytest.mark.parametrize("backlog", [1, 10])
async def test_eight_who_ask_all_the_time_get_the_same(
    start_site: StartSite, come_in: ComeIn, backlog: int
) -> None:
    """Three places; also when one of them always has ten questions in the queue."""
    site = start_site("postgres", topology="split", web=2, n=3)
    people = await asyncio.gather(*(come_in(site, web=number) for number in range(PEOPLE)))
    asking = [people[0]] * (backlog - 1) + people
    tasks = [asyncio.create_task(_ask_for_ever(person)) for person in asking]
    await asyncio.sleep(ASK_SECONDS)
    moment = time.monotonic()
    failed = [task for task in tasks if task.done()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tokens = [_tokens_until(person, moment) for person in people]
    index = sum(tokens) ** 2 / (PEOPLE * sum(one**2 for one in tokens))
    print(f"one with {backlog} at once: tokens of each {tokens}, Jain index {index:.4f}")
    assert not failed
    assert min(tokens) > 5 * 20  # else the grain of an answer decides, not the order
    assert index >= 0.99


async def _ask_for_ever(person: Person) -> None:
    while True:
        await person.answer(await person.send(ANSWER))


def _tokens_until(person: Person, moment: float) -> int:
    return sum(len(one["text"]) for one in person.heard("message.delta") if one.at <= moment)


# --- What the tests share -----------------------------------------------------------------------


async def _send_many(person: Person, count: int, first: str = SHORT) -> list[str]:
    """Their requests; `first` is what the first two say, which find free places."""
    texts = [first] * 2 + [SHORT] * (count - 2)
    return list(await asyncio.gather(*(person.send(text) for text in texts)))


async def _all_started(site: Site, count: int) -> dict[str, Row]:
    """The rows once each of them has had a place."""

    def started() -> bool:
        where = "claimed_at IS NOT NULL"
        return site.database.count("inference_generationrequest", where) == count

    await asyncio.to_thread(site.wait_until, started, f"{count} did not start", 60.0)
    return rows_of(site.database)


async def _all_ended(site: Site) -> None:
    await _until_states(site, running=0, waiting=0)
    assert set(site.database.states()) <= {"finished", "aborted"}


async def _until_states(site: Site, **wanted: int) -> None:
    def holds() -> bool:
        states = site.database.states()
        return {state: states.get(state, 0) for state in wanted} == wanted

    await asyncio.to_thread(site.wait_until, holds, f"not {wanted}", 60.0)


def _started_between(site: Site, mine: Row) -> int:
    """How many of the others got a place while this one waited."""
    others = [row.claimed_at for row in rows_of(site.database).values() if row is not mine]
    assert mine.claimed_at is not None
    return sum(at is not None and mine.submitted_at < at < mine.claimed_at for at in others)


def _ran_at(site: Site, moment: datetime) -> int:
    """How many ran when nobody's place was free."""
    ran = "claimed_at <= %s AND (ended_at IS NULL OR ended_at > %s)"
    return site.database.count("inference_generationrequest", ran, [moment, moment])


def _flood_before_the_last_other(rows: dict[str, Row], flood: set[str]) -> int:
    times = {row.request: row.claimed_at for row in rows.values() if row.claimed_at is not None}
    last = max(at for request, at in times.items() if request not in flood)
    return sum(times[request] < last for request in flood)
