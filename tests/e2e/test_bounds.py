"""A burst against the queue's bounds, over real sockets and, with Redis, two web processes."""

import asyncio
from collections import Counter

from tests.support.client import Frame, Person
from tests.support.fixtures import ComeIn
from tests.support.site import Site

PEOPLE = 50
SLOW = "mock:rate=0.2 mock:length=1000"


async def test_of_a_burst_exactly_the_places_and_the_queue_are_accepted(
    site: Site, come_in: ComeIn
) -> None:
    people = await asyncio.gather(*(come_in(site, web=number) for number in range(PEOPLE)))
    for n, q in [(2, 5), (1, 0), (1, 1)]:
        site.database.set_policy(max_running=n, max_waiting=q)
        replies = await asyncio.gather(*(person.try_send(SLOW) for person in people))
        _exactly(n + q, replies)
        assert site.database.count(
            "inference_generationrequest", "state IN ('waiting', 'running')"
        ) == n + q  # fmt: skip
        await _end_all(people)


def _exactly(accepted: int, replies: list[Frame]) -> None:
    assert Counter(reply.type for reply in replies) == {
        "message.accepted": accepted,
        "request.rejected": PEOPLE - accepted,
    }
    refusals = [reply for reply in replies if reply.type == "request.rejected"]
    assert {refusal["code"] for refusal in refusals} == {"queue_full"}
    assert all(refusal["retry_after"] > 0 for refusal in refusals)


async def _end_all(people: list[Person]) -> None:
    await asyncio.gather(*(person.leave_nothing_running() for person in people))


async def test_a_refused_message_is_stored_nowhere(site: Site, come_in: ComeIn) -> None:
    site.database.set_policy(max_running=1, max_waiting=0)
    alice, bob = await come_in(site), await come_in(site)
    await alice.send(SLOW)
    before = site.database.count("chat_message"), site.database.count("chat_conversation")
    assert (await bob.try_send("Hello")).type == "request.rejected"
    after = site.database.count("chat_message"), site.database.count("chat_conversation")
    assert after == before


async def test_a_place_that_frees_lets_the_next_one_in(site: Site, come_in: ComeIn) -> None:
    site.database.set_policy(max_running=1, max_waiting=0)
    alice, bob = await come_in(site), await come_in(site, web=1)
    first = await alice.send(SLOW)
    assert (await bob.try_send("Hello")).type == "request.rejected"
    await alice.abort(first)
    await alice.answer(first)
    second = await bob.send("mock:length=3")
    assert (await bob.answer(second)).finish_reason == "stop"
