"""Workers whose clocks are wrong, by hours and by jumps: only the database's time counts."""

import asyncio
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from inference.conf import LEASE_SECONDS
from tests.faults.conftest import ALIVE, Theatre
from tests.faults.crowd import TOKENS_A_SECOND, Crowd, see_through
from tests.support.fixtures import ComeIn
from tests.support.programs import find_faketime, needed

MEASURES = ("queue_s", "ttft_s", "decode_s", "tokens_per_s")
RESCUED_WITHIN = 10
ANSWER_SECONDS = 80 / TOKENS_A_SECOND

pytestmark = [
    pytest.mark.redis,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.long,
    pytest.mark.timeout(240),
]


class WrongClocks:
    """Two workers with clocks of their own, by libfaketime: `set` turns one at once."""

    def __init__(self, theatre: Theatre, library: Path) -> None:
        self._theatre = theatre
        self._library = library
        self._files = [theatre.site.folder / f"clock{number}" for number in (0, 1)]

    def set(self, number: int, offset: str) -> None:
        new = self._files[number].with_suffix(".new")
        new.write_text(f"{offset}\n")
        new.replace(self._files[number])

    def start_worker(self, number: int) -> None:
        # The monotonic clock stays right: wrong ones are wrong about the date.
        self._theatre.site.start_worker(
            number,
            LD_PRELOAD=str(self._library),
            FAKETIME_TIMESTAMP_FILE=str(self._files[number]),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",
        )

    def hours(self, number: int) -> float:
        """How wrong the worker's newest log line is, in whole quarters of an hour."""
        lines = self._theatre.site.workers[number].output()
        stamps = re.findall(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),", lines, re.MULTILINE)
        told = datetime.strptime(stamps[-1], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
        return round((told - datetime.now(UTC)) / timedelta(hours=1) * 4) / 4


@pytest.fixture
def clocks(theatre: Theatre) -> Iterator[WrongClocks]:
    """Worker 0 is two hours behind, worker 1 two hours ahead: whoever keeps house is wrong."""
    made = WrongClocks(theatre, needed(find_faketime(), "libfaketime"))
    for number, offset in enumerate(["-2h", "+2h"]):
        theatre.site.workers[number].terminate()
        made.set(number, offset)
        made.start_worker(number)
    _wait_for_two(theatre)
    theatre.site.database.set_policy(max_running=12)  # twenty people need both
    yield made
    theatre.site.database.set_policy(max_running=20)
    for number, worker in enumerate(theatre.site.workers):
        worker.terminate()
        theatre.site.start_worker(number)
    _wait_for_two(theatre)


def _wait_for_two(theatre: Theatre) -> None:
    where = f"{ALIVE} AND pid IN ({', '.join(str(one.pid) for one in theatre.site.workers)})"
    theatre.site.wait_until(
        lambda: theatre.site.database.count("inference_workernode", where) == 2,
        "two workers are not ready",
    )


def _attempts(theatre: Theatre) -> int:
    """The highest of any request; 1 when nothing was ever taken for lost."""
    rows = theatre.site.database.execute("SELECT max(attempt) FROM inference_generationrequest")
    return int(rows[0][0])


def _check_times(crowd: Crowd, seconds: float) -> None:
    """Of answers that nothing disturbed, in a run of so many seconds."""
    worst = {name: 0.0 for name in MEASURES}
    for end in crowd.ends():
        timings = end["timings"]
        worst = {name: max(worst[name], timings[name]) for name in MEASURES}
        assert 0 <= timings["queue_s"] <= timings["ttft_s"] < seconds, end
        assert 0.8 * ANSWER_SECONDS < timings["decode_s"] < seconds, end
        assert timings["tokens_per_s"] < 1.25 * TOKENS_A_SECOND, end
    print(f"largest of {len(crowd.ends())} answers: {worst}")


async def test_nothing_is_rescued_early_and_all_times_are_right(
    theatre: Theatre, clocks: WrongClocks
) -> None:
    start = time.monotonic()
    async with Crowd(theatre.site) as crowd:
        await asyncio.sleep(LEASE_SECONDS + 4)
        await crowd.leave()
        assert crowd.check() == 0
        assert _attempts(theatre) == 1
        _check_times(crowd, time.monotonic() - start)


@pytest.mark.parametrize("number", [0, 1], ids=["behind", "ahead"])
async def test_a_worker_with_a_wrong_clock_that_is_killed(
    theatre: Theatre, clocks: WrongClocks, number: int
) -> None:
    """What it ran is rescued by the other one, whose clock is wrong the other way."""
    async with Crowd(theatre.site) as crowd:
        await asyncio.sleep(2)
        assert _attempts(theatre) == 1
        killed = time.monotonic()
        theatre.site.workers[number].kill()
        clocks.start_worker(number)
        what = f"kill -9 of a worker {'-+'[number]}2 h off, rescue by one {'+-'[number]}2 h off"
        assert await see_through(crowd, what, killed) < RESCUED_WITHIN
        assert _attempts(theatre) == 2
        # Whoever notes something in a log shows what it takes for the time.
        assert clocks.hours(1 - number) == [2, -2][number]


async def test_clocks_that_jump_while_everybody_streams(
    theatre: Theatre, clocks: WrongClocks
) -> None:
    start = time.monotonic()
    async with Crowd(theatre.site) as crowd:
        for offsets in (["-1h", "+1h"], ["+1h", "-1h"]):
            for number, offset in enumerate(offsets):
                clocks.set(number, offset)
            await asyncio.sleep(LEASE_SECONDS / 2 + 1)
        await crowd.leave()
        silence = crowd.longest_silence(start)
        assert crowd.check() == 0
        assert _attempts(theatre) == 1
        _check_times(crowd, time.monotonic() - start)
    print(f"clocks that jumped by one and two hours: longest silence {silence:.1f} s")
    assert silence < LEASE_SECONDS / 2


async def test_places_and_waits_are_told_as_they_are(
    theatre: Theatre, clocks: WrongClocks, come_in: ComeIn
) -> None:
    """With ten places for twenty regulars; a newcomer's waits are compared with what came true."""
    theatre.site.database.set_policy(max_running=5)
    newcomer = await come_in(theatre.site)
    async with Crowd(theatre.site) as crowd:
        await crowd.until(lambda: len(crowd.ends()) >= 10, 30)
        asked_at = time.monotonic()
        request = await newcomer.send("mock:length=5")
        told = await newcomer.wait_for("request.waiting", request=request)
        began = await newcomer.wait_for("request.running", request=request)
        await newcomer.answer(request)
        await crowd.leave()
        assert crowd.check(others=[request]) == 0
    waited, wait = began.at - asked_at, told["eta_seconds"]
    print(f"place {told['position']} of {told['waiting']}, told {wait} s, waited {waited:.1f} s")
    assert 1 <= told["position"] <= told["waiting"] <= 21
    assert wait is not None and 0 <= wait[0] <= waited + 1
    assert waited / 2 - 1 <= wait[1] < 60  # a guess, but no wrong hours in it
