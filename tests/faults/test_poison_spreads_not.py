"""A request that kills, hangs, breaks or stalls the engine harms itself alone."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import ALIVE, Theatre
from tests.faults.mock_text import undisturbed
from tests.faults.rows import Row, rows_of
from tests.support.client import Person
from tests.support.fixtures import ComeIn
from tests.support.processes import engines_of
from tests.support.reader import Reader
from tests.support.site import Site

TOGETHER = 8
QUICK = "mock:length=60 mock:rate=200"

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.slow]


@dataclass
class Asked:
    """One message of the batch, and how its reader sees it."""

    text: str
    seed: int
    request: str
    reader: Reader


@pytest.fixture(scope="module")
def _one_worker(_theatre: Theatre) -> Iterator[None]:
    """So that all eight share one engine."""
    site = _theatre.site
    site.workers[1].terminate()
    yield
    site.start_worker(1)
    site.wait_until(
        lambda: site.database.count("inference_workernode", ALIVE) == len(site.workers),
        "the other worker did not come back",
    )


@pytest.fixture
def site(_one_worker: None, theatre: Theatre) -> Site:
    theatre.site.database.set_policy(max_running=TOGETHER)
    return theatre.site


@pytest.fixture
def one_gigabyte() -> Iterator[Path]:
    """A group of processes that may have so much memory together."""
    group = Path("/sys/fs/cgroup/memory/chatsite-tests")
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made here: {error}")
    (group / "memory.limit_in_bytes").write_text(str(2**30))
    yield group
    for pid in (group / "cgroup.procs").read_text().split():
        with suppress(OSError):
            (group.parent / "cgroup.procs").write_text(pid)
    group.rmdir()


@pytest.fixture
async def person(site: Site, come_in: ComeIn) -> Person:
    return await come_in(site)


async def test_what_kills_the_engine_fails_and_its_seven_mates_are_whole(
    site: Site, person: Person
) -> None:
    await _see_through_a_deadly_one(site, person, f"{QUICK} mock:crash@10", 60)


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_what_hangs_the_engine_fails_and_its_seven_mates_are_whole(
    site: Site, person: Person
) -> None:
    """Each time the watchdog waits for two minutes, and the deaths that count are two of three."""
    await _see_through_a_deadly_one(site, person, f"{QUICK} mock:hang@10", 800)


@pytest.mark.long
async def test_what_takes_all_memory_fails_and_its_seven_mates_are_whole(
    site: Site, person: Person, one_gigabyte: Path
) -> None:
    """As in a container of one gigabyte: the kernel ends whatever is largest in it."""
    inside = [site.workers[0].pid, _engine(site).pid]
    for pid in inside:
        (one_gigabyte / "cgroup.procs").write_text(str(pid))
    await _see_through_a_deadly_one(site, person, f"{QUICK} mock:hoard@10", 60)
    assert site.workers[0].pid == inside[0]


async def test_an_error_in_the_middle_fails_its_own_request_only(
    site: Site, person: Person
) -> None:
    engine = _engine(site).pid
    asked = await _start_together(site, person, f"{QUICK} mock:error@10")
    broken = asked.pop(3)
    await _all_whole(site, [*asked, broken], 30)
    row = rows_of(site.database)[broken.request]
    assert (row.state, row.code, row.tokens, row.attempt) == ("failed", "engine_error", 10, 1)
    assert row.text == undisturbed(broken.text, broken.seed)
    attempts = _check_mates(site, asked)
    assert (attempts, _engine(site).pid) == ([1] * 7, engine)
    print("an error at token 10: its own row failed, seven mates whole at the first attempt")


async def test_one_that_stalls_for_a_while_lets_all_go_on(site: Site, person: Person) -> None:
    engine = _engine(site).pid
    began = time.monotonic()
    asked = await _start_together(site, person, f"{QUICK} mock:stall=3@10")
    stalled = asked.pop(3)
    await _all_whole(site, asked, 30)
    mates = time.monotonic() - began
    assert not stalled.reader.kept.is_whole
    await _all_whole(site, [stalled], 30)
    assert _check_mates(site, [*asked, stalled]) == [1] * TOGETHER
    assert _engine(site).pid == engine
    print(f"one stalled for 3 s: its mates were whole after {mates:.1f} s, and it was too, later")


# --- What the tests share -----------------------------------------------------------------------


async def _see_through_a_deadly_one(site: Site, person: Person, text: str, seconds: float) -> None:
    engine, began = _engine(site).pid, time.monotonic()
    asked = await _start_together(site, person, text)
    poison = asked.pop(3)
    await _all_whole(site, [*asked, poison], seconds)
    took = time.monotonic() - began
    row = rows_of(site.database)[poison.request]
    assert (row.state, row.reason, row.code) == ("failed", "failed", "engine_died")
    assert (row.deaths, row.tokens, row.message_state) == (2, 10, "complete")
    attempts = _check_mates(site, asked)
    assert _engine(site).pid != engine
    assert site.workers[0].is_running
    print(
        f"{text}: failed at its attempt {row.attempt} after {row.deaths} counted deaths,"
        f" mates whole at their attempts {attempts}, all over after {took:.1f} s"
    )


async def _start_together(site: Site, person: Person, special: str) -> list[Asked]:
    """Eight messages that one claim takes; the fourth of them is the special one."""
    site.database.set_policy(paused=True)
    asked = []
    for number in range(TOGETHER):
        text = special if number == 3 else QUICK
        request = await person.send(text, seed=number)
        asked.append(Asked(text, number, request, Reader(person, request)))
    site.database.set_policy(paused=False)
    return asked


async def _all_whole(site: Site, asked: list[Asked], seconds: float) -> None:
    """Every reader has got its end, and the row is what it has read."""
    await asyncio.gather(*(one.reader.whole(seconds) for one in asked))
    rows = rows_of(site.database)
    for one in asked:
        row = rows[one.request]
        assert one.reader.kept.text == row.text == row.message_text


def _check_mates(site: Site, mates: list[Asked]) -> list[int]:
    """Each finished with its own text; returns which attempt finished each."""
    rows = rows_of(site.database)
    for mate in mates:
        row: Row = rows[mate.request]
        assert (row.state, row.reason, row.deaths) == ("finished", "stop", 0)
        assert row.text == undisturbed(mate.text, mate.seed)
    return [rows[mate.request].attempt for mate in mates]


def _engine(site: Site) -> psutil.Process:
    """The one engine process of the worker, which has left no zombies."""
    children = site.workers[0].descendants()
    assert not [one for one in children if one.status() == psutil.STATUS_ZOMBIE]
    (engine,) = engines_of(site.workers[0])
    return engine
