"""An abort ends its own request for good, frees its place at once, and harms nobody else."""

import asyncio
import random
import time
from dataclasses import dataclass
from statistics import median

import pytest

from tests.faults.conftest import Theatre, let_in
from tests.faults.mock_text import undisturbed
from tests.faults.rows import Row, rows_of
from tests.support.client import Frame, Person
from tests.support.fixtures import ComeIn
from tests.support.reader import Reader

MESSAGE = "mock:length=60"
TOKENS = 60
LONG = "mock:length=200"  # ten seconds
SLOW = "mock:rate=0.2 mock:length=1000"
ABORTED = 10
AT_THE_END = 3

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@dataclass
class Asked:
    person: Person
    request: str
    seed: int
    message: str

    @property
    def expected(self) -> str:
        return undisturbed(self.message, self.seed)

    @property
    def ends(self) -> list[Frame]:
        return self.person.heard("message.finished", request=self.request)


async def _ask(person: Person, seed: int, message: str = MESSAGE) -> Asked:
    return Asked(person, await person.send(message, seed=seed), seed, message)


# --- Ten of many --------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [20, pytest.param(100, marks=[pytest.mark.long])])
async def test_ten_of_many_are_aborted_and_all_others_are_whole(
    theatre: Theatre, come_in: ComeIn, size: int
) -> None:
    """At random offsets, three of them as the answer ends; seven more wait for their places."""
    dice = random.Random(size)
    theatre.site.database.set_policy(max_running=size // 2, paused=True)
    people = await let_in(theatre, come_in, size + ABORTED - AT_THE_END)
    running = await asyncio.gather(*(_ask(one, seed) for seed, one in enumerate(people[:size])))
    waiting = [await _ask(one, 1_000 + n) for n, one in enumerate(people[size:])]
    dice.shuffle(running)
    given_up, kept = running[:ABORTED], [*running[ABORTED:], *waiting]
    offsets = [dice.randrange(1, TOKENS // 2) for _ in range(ABORTED - AT_THE_END)]
    offsets += [TOKENS - number for number in range(AT_THE_END)]
    theatre.site.database.set_policy(paused=False)
    pairs = zip(given_up, offsets, strict=True)
    await asyncio.gather(*(_abort_at(asked, offset) for asked, offset in pairs))
    await asyncio.gather(*(asked.person.answer(asked.request) for asked in kept))
    rows = rows_of(theatre.site.database)
    _check_whole(rows, kept)
    reasons = [_check_ended_once(rows[asked.request], asked) for asked in given_up]
    waits = _seconds_to_start(given_up, waiting)
    print(
        f"{size} at once, ten aborted: they ended as {sorted(reasons)}, {len(kept)} others whole;"
        f" who waited started {median(waits):.2f} s after an abort, at most {max(waits):.2f} s"
    )
    assert reasons[: len(waiting)] == ["aborted"] * len(waiting)
    assert median(waits) < 0.4  # not only when its worker looks by itself, each second


async def _abort_at(asked: Asked, tokens: int) -> None:
    """When about so many tokens have come; twice at once, and once more when it is over."""
    person, request = asked.person, asked.request
    offset = len(asked.expected) * tokens // TOKENS
    await person.wait_for(
        "message.delta",
        request=request,
        where=lambda frame: frame["offset"] + len(frame["text"]) >= offset,
    )
    await person.abort(request)
    await person.abort(request)
    await person.wait_for("message.finished", request=request)
    before = len(person.frames)
    await person.abort(request)
    await person.wait_for("message.finished", request=request, since=before)


def _check_whole(rows: dict[str, Row], kept: list[Asked]) -> None:
    for asked in kept:
        row = rows[asked.request]
        assert (row.state, row.reason, row.attempt) == ("finished", "stop", 1)
        assert row.text == row.message_text == asked.expected
        assert asked.person.answer_so_far(asked.request).text == asked.expected


def _check_ended_once(row: Row, asked: Asked) -> str:
    """All that was said of its end is the same, and what is stored; returns its reason."""
    assert len(asked.ends) >= 2
    assert {(one["finish_reason"], one["length"]) for one in asked.ends} == {
        (row.reason, len(row.text))
    }
    assert row.text == row.message_text == asked.person.answer_so_far(asked.request).text
    assert asked.expected.startswith(row.text)
    assert row.reason == "aborted" or row.text == asked.expected
    assert row.attempt == 1
    return row.reason


def _seconds_to_start(given_up: list[Asked], waiting: list[Asked]) -> list[float]:
    """From each end to the start of one that waited."""
    freed = sorted(asked.ends[0].at for asked in given_up)
    started = sorted(
        asked.person.heard("request.running", request=asked.request)[0].at for asked in waiting
    )
    return [start - end for end, start in zip(freed, started, strict=False)]


# --- In the queue -------------------------------------------------------------------------------


async def test_an_abort_of_one_that_waits_frees_its_place_in_the_queue(
    theatre: Theatre, come_in: ComeIn
) -> None:
    theatre.site.database.set_policy(max_running=1, max_waiting=3)
    people = await let_in(theatre, come_in, 6)
    asked = [await _ask(person, 0, SLOW) for person in people[:5]]
    first, *behind = asked[2:]
    for place, one in enumerate(asked[2:], start=1):
        await one.person.wait_for("request.waiting", request=one.request, position=place)
    assert (await people[5].try_send(SLOW)).type == "request.rejected"
    before, began = [len(one.person.frames) for one in behind], time.monotonic()
    await first.person.abort(first.request)
    await first.person.abort(first.request)
    end = await first.person.wait_for("message.finished", request=first.request)
    assert (end["finish_reason"], end["length"]) == ("aborted", 0)
    for place, (one, since) in enumerate(zip(behind, before, strict=True), start=1):
        await one.person.wait_for("request.waiting", position=place, since=since)
    took = time.monotonic() - began
    assert (await people[5].try_send(SLOW)).type == "message.accepted"
    print(f"one in the queue gave up: those behind were told their new place in {took:.2f} s")


# --- While something is broken ------------------------------------------------------------------


async def test_what_is_aborted_while_redis_is_frozen_never_runs_again(
    theatre: Theatre, come_in: ComeIn
) -> None:
    people = await let_in(theatre, come_in, 4)
    asked = [await _ask(person, seed, LONG) for seed, person in enumerate(people)]
    await _all_stream(asked)
    theatre.redis.pause()
    began = time.monotonic()
    try:
        await asyncio.gather(*(one.person.abort(one.request) for one in asked))
        await asyncio.to_thread(_until_all_ended, theatre, asked)
    finally:
        theatre.redis.resume()
    took = time.monotonic() - began
    await _stay_ended(theatre, asked)
    print(f"four aborts while Redis was frozen: all ended after {took:.1f} s, and stayed so")


@pytest.mark.long
async def test_what_is_aborted_while_its_worker_is_killed_never_runs_again(
    theatre: Theatre, come_in: ComeIn
) -> None:
    """Some just before the kill, some just after; what nobody aborted goes on."""
    people = await let_in(theatre, come_in, 12)
    asked = [await _ask(person, seed, LONG) for seed, person in enumerate(people)]
    await _all_stream(asked)
    number = theatre.busiest()
    lost, others = _on_worker(theatre, asked, number)
    early, late, kept = lost[::3], lost[1::3], lost[2::3]
    assert early and late and kept
    await asyncio.gather(*(one.person.abort(one.request) for one in early))
    theatre.site.workers[number].kill()
    killed = time.monotonic()
    await asyncio.gather(*(one.person.abort(one.request) for one in late))
    theatre.site.start_worker(number)
    await asyncio.to_thread(_until_all_ended, theatre, [*early, *late])
    took = time.monotonic() - killed
    await _stay_ended(theatre, [*early, *late])
    await _the_rest_is_whole(theatre, [*kept, *others])
    print(
        f"a worker killed with {len(early)} aborts before and {len(late)} after: all ended after"
        f" {took:.1f} s and stayed so; {len(kept)} that nobody aborted went on"
    )


async def _all_stream(asked: list[Asked]) -> None:
    for one in asked:
        await one.person.wait_for("message.delta", request=one.request)


def _on_worker(
    theatre: Theatre, asked: list[Asked], number: int
) -> tuple[list[Asked], list[Asked]]:
    """Those that this worker runs, and the others."""
    rows = theatre.site.database.execute(
        "SELECT r.public_id FROM inference_generationrequest r"
        " JOIN inference_workernode w ON w.id = r.worker_id WHERE w.pid = %s",
        [theatre.site.workers[number].pid],
    )
    there = {str(row[0]) for row in rows}
    return (
        [one for one in asked if one.request in there],
        [one for one in asked if one.request not in there],
    )


def _until_all_ended(theatre: Theatre, asked: list[Asked]) -> None:
    def ended() -> bool:
        rows = rows_of(theatre.site.database)
        return all(rows[one.request].reason for one in asked)

    theatre.site.wait_until(ended, "an aborted one did not end")


async def _stay_ended(theatre: Theatre, aborted: list[Asked]) -> None:
    """For longer than a worker takes to look; a tab that comes anew gets the text of the row."""
    before = rows_of(theatre.site.database)
    await asyncio.sleep(2.5)
    for one in aborted:
        row = rows_of(theatre.site.database)[one.request]
        assert row == before[one.request]
        assert (row.state, row.reason, row.attempt) == ("aborted", "aborted", 1)
        assert row.text == row.message_text and one.expected.startswith(row.text)
        assert await _read_anew(one) == (row.text, "aborted", len(row.text))


async def _read_anew(asked: Asked) -> tuple[str, str, int]:
    person, before = asked.person, len(asked.person.frames)
    hello = await person.open()
    assert asked.request not in [one["request"] for one in hello["active"]]
    await person.say(type="request.sync", request=asked.request, offset=0)
    end = await person.wait_for("message.finished", request=asked.request, since=before)
    heard = [one for one in person.frames[before:] if one.type == "message.delta"]
    return "".join(one["text"] for one in heard), end["finish_reason"], end["length"]


async def _the_rest_is_whole(theatre: Theatre, asked: list[Asked]) -> None:
    texts = await asyncio.gather(*(Reader(one.person, one.request).whole() for one in asked))
    rows = rows_of(theatre.site.database)
    for one, text in zip(asked, texts, strict=True):
        assert text == rows[one.request].text == one.expected
        assert rows[one.request].reason == "stop"
