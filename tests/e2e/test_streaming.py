"""Answers as people at the socket see them, in both topologies and on both databases."""

import re

from inference.engine import mock_words
from tests.support.client import Answer, Person
from tests.support.fixtures import ComeIn
from tests.support.site import Site


async def _two_streaming(site: Site, come_in: ComeIn, text: str) -> list[tuple[Person, str]]:
    """Two guests (at different web processes, if there are) whose answers have both begun."""
    people = [await come_in(site, web=number) for number in (0, 1)]
    requests = [await person.send(text) for person in people]
    both = list(zip(people, requests, strict=True))
    for person, request in both:
        await person.wait_for("message.delta", request=request)
    return both


async def test_two_stream_at_once_and_the_third_starts_when_a_place_frees(
    site: Site, come_in: ComeIn
) -> None:
    (alice, first), (bob, second) = await _two_streaming(site, come_in, "mock:length=60")
    charlie = await come_in(site)
    third = await charlie.send("mock:length=5")
    waiting = await charlie.wait_for("request.waiting", request=third)
    assert (waiting["position"], waiting["waiting"]) == (1, 1)
    answers = [await alice.answer(first), await bob.answer(second)]
    begun = await charlie.wait_for("request.running", request=third)
    assert (await charlie.answer(third)).completion_tokens == 5
    assert [answer.completion_tokens for answer in answers] == [60, 60]
    _overlapped(*answers)
    freed = min(answer.deltas[-1].at for answer in answers)
    assert freed - 0.1 < begun.at < freed + 1.5


def _overlapped(one: Answer, other: Answer) -> None:
    """Each spoke while the other did, for most of the time."""
    began = max(one.deltas[0].at, other.deltas[0].at)
    ended = min(one.deltas[-1].at, other.deltas[-1].at)
    whole = max(one.deltas[-1].at, other.deltas[-1].at) - min(one.deltas[0].at, other.deltas[0].at)
    assert ended - began > whole / 2


def tokens_of(text: str) -> int:
    """How many of the mock engine's words it is."""
    longest_first = sorted(mock_words.WORDS, key=len, reverse=True)
    return len(re.findall("|".join(map(re.escape, longest_first)), text))


async def test_the_answers_of_two_running_requests_advance_in_turn(
    site: Site, come_in: ComeIn
) -> None:
    alice = await come_in(site)
    text = "mock:length=30 mock:rate=10"
    requests = [await alice.send(text), await alice.send(text)]
    for request in requests:
        await alice.answer(request)
    deltas = alice.heard("message.delta")
    order = [delta["request"] for delta in deltas]
    both = deltas[order.index(requests[1]) : -order[::-1].index(requests[0]) or None]
    assert len(both) > 40
    head_start = sum(tokens_of(delta["text"]) for delta in deltas[: order.index(requests[1])])
    made = {requests[0]: head_start, requests[1]: 0}
    for delta in both:
        new = tokens_of(delta["text"])  # more than one where this machine was busy
        made[delta["request"]] += new
        assert abs(made[requests[0]] - made[requests[1]]) <= head_start + new + 1, order


async def test_stop_ends_an_answer_within_one_token(site: Site, come_in: ComeIn) -> None:
    """At 10 tokens a second, a stop that is sent right after token k was seen has 100 ms until
    token k+1. So at most one token more is made, and only if this machine was busy that long.
    """
    alice = await come_in(site)
    request = await alice.send("mock:rate=10 mock:length=600")
    await alice.wait_until(lambda: len(alice.heard("message.delta", request=request)) >= 8)
    shown = alice.heard("message.delta", request=request)
    seen = sum(tokens_of(delta["text"]) for delta in shown)  # two in one, if this machine is busy
    await alice.abort(request)
    answer = await alice.answer(request)
    assert answer.finish_reason == "aborted"
    assert answer.completion_tokens <= seen + 1
    assert answer.end is not None and answer.end.at - shown[-1].at < 1.0


async def test_a_stop_while_waiting_ends_at_once_and_moves_the_others_up(
    site: Site, come_in: ComeIn
) -> None:
    await _two_streaming(site, come_in, "mock:length=600")
    bob, charlie = await come_in(site), await come_in(site, web=1)
    second, third = await bob.send("Hello"), await charlie.send("Hello")
    await charlie.wait_for("request.waiting", request=third, position=2)
    await bob.abort(second)
    stopped = await bob.answer(second)
    assert (stopped.finish_reason, stopped.text) == ("aborted", "")
    await charlie.wait_for("request.waiting", request=third, position=1)


async def test_the_bytes_of_an_answer_grow_linearly_with_its_length(
    site: Site, come_in: ComeIn
) -> None:
    alice = await come_in(site)
    per_character = []
    for length in (100, 400):
        request = await alice.send(f"mock:rate=400 mock:length={length}")
        answer = await alice.answer(request)
        assert answer.completion_tokens == length
        sent = sum(f.size for f in alice.frames if f.data.get("request") == request)
        per_character.append(sent / len(answer.text))
    # Four times the text for four times the bytes; a frame that repeated the text so far would
    # make this ratio about four.
    assert 0.6 < per_character[1] / per_character[0] < 1.4


async def test_another_tab_of_the_person_hears_the_same_and_another_person_nothing(
    site: Site, come_in: ComeIn
) -> None:
    alice, bob = await come_in(site), await come_in(site)
    tab = Person(site.urls[-1], alice.http)
    await tab.open()
    request = await alice.send("mock:length=10")
    answer = await alice.answer(request)
    assert (await tab.answer(request)).text == answer.text
    assert {frame.type for frame in bob.frames} == {"hello"}
    await tab.leave()
