"""Of a burst exactly the places and the queue get in, and what is sent often is stored once."""

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.faults.conftest import Theatre, let_in
from tests.faults.rows import rows_of
from tests.support.client import Frame, Person
from tests.support.fixtures import ComeIn

SLOW = "mock:rate=0.2 mock:length=1000"
N = 2
PLACES = 2 * N  # of both workers
COPIES = 50
IDS = ("conversation", "user_message", "message", "request")

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]

Ids = tuple[str, ...]
SecondTab = Callable[[Person], Awaitable[Person]]


@pytest.fixture
async def second_tab(theatre: Theatre) -> AsyncIterator[SecondTab]:
    """The same session at the other web process."""
    tabs: list[Person] = []

    async def open_tab(person: Person) -> Person:
        first, second = theatre.site.urls
        tabs.append(Person(second if person.url == first else first, person.http))
        await tabs[-1].open()
        return tabs[-1]

    yield open_tab
    for tab in tabs:
        await tab.leave()


# --- A burst against the bounds ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "queues"),
    [
        pytest.param(60, (0, 1, 7), id="60"),
        pytest.param(
            200, (0, 1, 7, 50), id="200", marks=[pytest.mark.long, pytest.mark.timeout(300)]
        ),
    ],
)
async def test_of_a_burst_exactly_the_places_of_both_workers_and_the_queue_get_in(
    theatre: Theatre, come_in: ComeIn, size: int, queues: tuple[int, ...]
) -> None:
    people = await let_in(theatre, come_in, size)
    for queue in queues:
        theatre.site.database.set_policy(max_running=N, max_waiting=queue)
        began = time.monotonic()
        replies = await asyncio.gather(*(person.try_send(SLOW) for person in people))
        took = time.monotonic() - began
        kinds = Counter(reply.type for reply in replies)
        assert kinds == {
            "message.accepted": PLACES + queue,
            "request.rejected": size - PLACES - queue,
        }
        _refused_with_a_hint(replies)
        filled = await _a_freed_place_is_filled(theatre, people, queue)
        print(
            f"Q={queue}: {size} sends in {took:.2f} s, {kinds['message.accepted']} accepted,"
            f" all others refused; a freed place was filled after {filled:.2f} s"
        )
        await asyncio.gather(*(person.leave_nothing_running() for person in people))


def _refused_with_a_hint(replies: list[Frame]) -> None:
    refusals = [reply for reply in replies if reply.type == "request.rejected"]
    assert {refusal["code"] for refusal in refusals} == {"queue_full"}
    assert all(0 < refusal["retry_after"] <= 60 and refusal["detail"] for refusal in refusals)


async def _a_freed_place_is_filled(theatre: Theatre, people: list[Person], queue: int) -> float:
    """One that runs ends: the next one starts, one more gets in, and not two. How long it took."""
    await _until(theatre, {"running": PLACES} | ({"waiting": queue} if queue else {}))
    runner, request = _somebody_who_runs(theatre, people)
    freed = time.monotonic()
    await runner.abort(request)
    await runner.wait_for("message.finished", request=request)
    replies = [await person.try_send(SLOW) for person in people[:2]]
    assert [reply.type for reply in replies] == ["message.accepted", "request.rejected"]
    _refused_with_a_hint(replies)
    full = {"running": PLACES, "aborted": _ended(theatre)}
    await _until(theatre, full | ({"waiting": queue} if queue else {}))
    return time.monotonic() - freed


def _somebody_who_runs(theatre: Theatre, people: list[Person]) -> tuple[Person, str]:
    owners = {
        accepted["request"]: person
        for person in people
        for accepted in person.heard("message.accepted")
    }
    rows = rows_of(theatre.site.database).values()
    request = next(row.request for row in rows if row.state == "running")
    return owners[request], request


def _ended(theatre: Theatre) -> int:
    return theatre.site.database.states().get("aborted", 0)


async def _until(theatre: Theatre, states: dict[str, int]) -> None:
    """Until those that are not over are in these states (and over ones too, where given)."""

    def holds() -> bool:
        now = theatre.site.database.states()
        return {state: now.get(state, 0) for state in states} == states

    await asyncio.to_thread(theatre.site.wait_until, holds, f"not {states}")


# --- One send, however often it comes -----------------------------------------------------------


async def _say(tab: Person, client_id: str, text: str = "mock:length=5") -> None:
    await tab.say(type="message.send", client_id=client_id, conversation=None, text=text, params={})


async def _ids_told(tab: Person, client_id: str, times: int = 1, since: int = 0) -> set[Ids]:
    """All ids in the confirmations of this send, once there are so many of them."""

    def told() -> list[Frame]:
        return [one for one in tab.frames[since:] if one.data.get("client_id") == client_id]

    await tab.wait_until(lambda: len(told()) >= times)
    assert {frame.type for frame in told()} == {"message.accepted"}, told()
    return {tuple(frame[name] for name in IDS) for frame in told()}


async def _ids_stored(theatre: Theatre) -> set[Ids]:
    """Of every request; fails when a question or an answer is there without the other."""
    rows = theatre.site.database.execute(
        "SELECT m.conversation_id, m.parent_id, m.id, r.public_id"
        " FROM inference_generationrequest r JOIN chat_message m ON m.request_id = r.public_id"
    )
    assert theatre.site.database.count("chat_message") == 2 * len(rows)
    assert theatre.site.database.count("inference_generationrequest") == len(rows)
    return {tuple(str(value) for value in row) for row in rows}


async def test_fifty_copies_of_a_send_over_two_web_processes_are_one(
    theatre: Theatre, come_in: ComeIn, second_tab: SecondTab
) -> None:
    alice = await come_in(theatre.site)
    tabs = [alice, await second_tab(alice)]
    client_id = uuid.uuid4().hex
    began = time.monotonic()
    await asyncio.gather(*(_say(tabs[number % 2], client_id) for number in range(COPIES)))
    told = [await _ids_told(tab, client_id, COPIES // 2) for tab in tabs]
    took = time.monotonic() - began
    assert told[0] == told[1] == await _ids_stored(theatre)
    assert len(told[0]) == 1
    for tab in tabs:  # and again after a reconnect
        before = len(tab.frames)
        await tab.open()
        await _say(tab, client_id)
        assert await _ids_told(tab, client_id, since=before) == told[0]
    assert await _ids_stored(theatre) == told[0]
    print(f"{COPIES} copies over two web processes: one row, all answered in {took:.2f} s")


@pytest.mark.parametrize("rounds", [6, pytest.param(60, marks=[pytest.mark.long])])
async def test_a_send_whose_confirmation_was_lost_is_confirmed_by_the_same_ids(
    theatre: Theatre, come_in: ComeIn, second_tab: SecondTab, rounds: int
) -> None:
    alice = await come_in(theatre.site)
    watching = await second_tab(alice)
    lost = 0
    for number in range(rounds):
        client_id, before = uuid.uuid4().hex, len(alice.frames)
        await _say(alice, client_id)
        await alice.leave(rudely=number % 2 == 1)
        (ids,) = await _ids_told(watching, client_id)  # stored, and the other tab heard of it
        lost += all(frame.data.get("client_id") != client_id for frame in alice.frames[before:])
        await alice.open()
        await _say(alice, client_id)
        assert await _ids_told(alice, client_id, since=before) == {ids}
        assert len(await _ids_stored(theatre)) == number + 1
    print(f"{lost} of {rounds} confirmations lost, each send stored once")
    assert lost >= rounds // 2  # all that were left without a word, at least


async def test_the_same_client_id_of_another_person_is_another_send(
    theatre: Theatre, come_in: ComeIn
) -> None:
    people = await let_in(theatre, come_in, 6)
    client_id = uuid.uuid4().hex
    await asyncio.gather(*(_say(one, client_id) for one in people for _ in range(3)))
    told = [await _ids_told(one, client_id, 3) for one in people]
    assert all(len(ids) == 1 for ids in told)
    assert set.union(*told) == await _ids_stored(theatre)
    assert len(await _ids_stored(theatre)) == len(people)
    print(f"one client_id of {len(people)} people, three times each: {len(people)} rows")
