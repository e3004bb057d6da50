"""Silence on Redis breaks nothing: redis-py 8 by itself ends every read after 5 s without news."""

import asyncio
import time

import pytest

from tests.support.client import Person
from tests.support.fixtures import ComeIn, StartSite

PEOPLE = 20

pytestmark = [pytest.mark.redis]


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param(8, marks=pytest.mark.slow),
        pytest.param(60, marks=[pytest.mark.long, pytest.mark.timeout(180)]),
    ],
)
async def test_idle_sockets_and_an_idle_worker_answer_at_once(
    start_site: StartSite, come_in: ComeIn, seconds: int
) -> None:
    site = start_site(topology="split", n=PEOPLE)
    people = await asyncio.gather(*(come_in(site) for _ in range(PEOPLE)))
    await asyncio.sleep(seconds)
    assert [person.close_code for person in people] == [None] * PEOPLE
    assert all(process.is_running for process in [*site.web, *site.workers])
    delays = await asyncio.gather(*(_seconds_to_first_text(person) for person in people))
    assert max(delays) < 1.0
    assert "Lost the channel layer" not in site.logs()


async def _seconds_to_first_text(person: Person) -> float:
    begun = time.monotonic()
    request = await person.send("mock:length=3")
    first = await person.wait_for("message.delta", request=request)
    return first.at - begun
