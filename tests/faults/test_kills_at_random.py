"""Workers die again and again, at any moment; every request ends once, with its own text."""

import asyncio
import random
import time

import pytest

from tests.faults.conftest import Theatre
from tests.faults.crowd import Crowd

N = 4
PAUSE_SECONDS = (1.0, 5.0)
HEALS_WITHIN = 15.0
SEED = 20261125

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kills", [2, pytest.param(20, marks=pytest.mark.long)])
async def test_no_request_is_lost_and_no_text_changes(theatre: Theatre, kills: int) -> None:
    site, dice = theatre.site, random.Random(SEED)
    site.database.set_policy(max_running=N)  # fewer places than people: some always wait
    async with Crowd(site, message="mock:length=100 mock:rate=50") as crowd:
        began = time.monotonic()
        for number in range(kills):
            await asyncio.sleep(dice.uniform(*PAUSE_SECONDS) if number else 1.0)
            victim = dice.randrange(2)
            site.workers[victim].kill()
            site.start_worker(victim)
        await crowd.until_all_grew(time.monotonic())
        await crowd.leave()
    again = crowd.check()
    silence = crowd.longest_silence(began, begun=True)
    print(
        f"{kills} kills in {time.monotonic() - began:.0f} s: {crowd.answers} answers, {again}"
        f" continued, longest silence in one {silence:.1f} s, {crowd.syncs} syncs"
    )
    assert silence < HEALS_WITHIN
    deaths = site.database.execute(
        "SELECT max(deaths), max(attempt) FROM inference_generationrequest"
    )
    print(f"most deaths and attempts of one request: {deaths[0]}")
