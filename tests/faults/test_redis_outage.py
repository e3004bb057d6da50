"""Redis dies or freezes under a running site: the rows are the truth, so nothing is lost."""

import asyncio

import pytest

from tests.support.client import Person
from tests.support.fixtures import ComeIn
from tests.support.redis_server import RedisServer
from tests.support.site import Site

FREEZE_SECONDS = 4.0

# A crowd of twenty goes through the same in test_crowd_heals.py each time.
pytestmark = [pytest.mark.redis, pytest.mark.long]


async def _text_of_the_row(person: Person, request: str, length: int) -> str:
    """What a client gets that lost events and asks again from the start."""
    before = len(person.frames)
    await person.say(type="request.sync", request=request, offset=0)
    delta = await person.wait_for(
        "message.delta", since=before, where=lambda f: len(f["text"]) == length
    )
    text: str = delta["text"]
    return text


async def _ended_row(site: Site, request: str) -> int:
    """Waits until the request has ended in the database; returns its length."""
    where = "public_id = %s AND state = 'finished'"
    key = request.replace("-", "") if site.database.is_sqlite else request
    table = "inference_generationrequest"
    site.wait_until(lambda: site.database.count(table, where, [key]) == 1, "the row did not end")
    rows = site.database.execute(f"SELECT output_text FROM {table} WHERE public_id = %s", [key])
    return len(rows[0][0])


async def test_a_site_whose_redis_was_killed_goes_on_when_it_is_back(
    fragile_site: Site, redis: RedisServer, come_in: ComeIn
) -> None:
    alice = await come_in(fragile_site)
    request = await alice.send("mock:length=60")
    await alice.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 30)
    seen = alice.answer_so_far(request).text
    redis.kill()
    redis.start()
    length = await _ended_row(fragile_site, request)
    assert alice.close_code is None
    text = await _text_of_the_row(alice, request, length)
    assert text.startswith(seen)
    again = await alice.send("mock:length=5")
    assert (await alice.answer(again)).completion_tokens == 5
    assert all(process.is_running for process in [*fragile_site.web, *fragile_site.workers])


async def test_a_redis_that_freezes_for_a_while_loses_no_text(
    fragile_site: Site, redis: RedisServer, come_in: ComeIn
) -> None:
    alice = await come_in(fragile_site)
    request = await alice.send("mock:length=60")
    await alice.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 30)
    redis.pause()
    try:
        await asyncio.sleep(FREEZE_SECONDS)
    finally:
        redis.resume()
    answer = await alice.answer(request)
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", 60)
    assert all(process.is_running for process in [*fragile_site.web, *fragile_site.workers])
