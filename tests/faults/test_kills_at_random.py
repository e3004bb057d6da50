"""Workers die again and again, at any moment; every request ends once, with its own text."""

import asyncio
import random
import time
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Theatre
from tests.faults.crowd import Crowd

N = 4
PAUSE_SECONDS = (1.0, 5.0)
HEALS_WITHIN = 15.0
SEED = 20261125

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.fixture
def small(theatre: Theatre) -> Iterator[Theatre]:
    """Fewer places than people, so that some always wait."""
    theatre.site.database.set_policy(max_running=N)
    yield theatre
    theatre.site.database.set_policy(max_running=20)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [4, pytest.param(20, marks=pytest.mark.long)])
async def test_no_request_is_lost_and_no_text_changes(small: Theatre, kills: int) -> None:
    crowd = Crowd(small.site, message="mock:length=100 mock:rate=50")
    dice = random.Random(SEED)
    try:
        await crowd.enter()
        began = time.monotonic()
        for number in range(kills):
            await asyncio.sleep(dice.uniform(*PAUSE_SECONDS) if number else 1.0)
            victim = dice.randrange(2)
            small.site.workers[victim].kill()
            small.site.start_worker(victim)
        await crowd.until_all_grew(time.monotonic())
        await crowd.leave()
    finally:
        crowd.go_home()
    again = crowd.check()
    silence = crowd.longest_silence(began, begun=True)
    print(
        f"{kills} kills in {time.monotonic() - began:.0f} s: {crowd.answers} answers, {again}"
        f" continued, longest silence in one {silence:.1f} s, {crowd.syncs} syncs"
    )
    assert silence < HEALS_WITHIN
    deaths = small.site.database.execute(
        "SELECT max(deaths), max(attempt) FROM inference_generationrequest"
    )
    print(f"most deaths and attempts of one request: {deaths[0]}")
