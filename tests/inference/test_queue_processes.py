"""Workers in processes of their own on one queue: every request runs exactly once."""

import json
import subprocess
import sys
from collections import Counter

import pytest

from tests.support.fixtures import DatabaseKind, Sites
from tests.support.processes import ROOT
from tests.support.site import Plan, Site

BOTH = [pytest.param("sqlite"), pytest.param("postgres", marks=[pytest.mark.postgres])]


def program(site: Site, *words: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.inference.queue_programs", *map(str, words)]
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "chatsite.settings"}
    return subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def output(process: "subprocess.Popen[str]", seconds: float) -> str:
    try:
        printed, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == 0, printed
    return printed


def together(processes: list["subprocess.Popen[str]"]) -> None:
    """Lets all of them go once each of them is ready."""
    for process in processes:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()


def run_all(sites: Sites, kind: DatabaseKind, workers: int, requests: int, seconds: float) -> None:
    site = sites.make(Plan(), kind)
    output(program(site, "seed", requests, 50), 60)
    processes = [program(site, "work") for _ in range(workers)]
    together(processes)
    runs = [output(process, seconds).split() for process in processes]
    counted = Counter(key for keys in runs for key in keys)
    assert len(counted) == requests
    assert set(counted.values()) == {1}
    assert site.database.states() == {"finished": requests}
    assert all(runs), "one worker took everything"


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_several_workers_run_each_request_exactly_once(sites: Sites, kind: DatabaseKind) -> None:
    run_all(sites, kind, workers=2, requests=120, seconds=60)


@pytest.mark.slow
def test_sqlite_tells_nobody_that_it_is_locked(sites: Sites) -> None:
    """Two who submit and look, two who claim and end, all at once, in processes of their own."""
    site = sites.make(Plan(waiting_per_user=0))
    output(program(site, "seed", 100, 50), 60)
    site.database.set_policy(max_waiting_per_user=0)
    submitters = [program(site, "submit", 100) for _ in range(2)]
    together(submitters + [program(site, "work") for _ in range(2)])
    times = sorted(ms for one in submitters for ms in json.loads(output(one, 60)))
    print(f"200 submits beside two workers: p99 {times[-2]:.0f} ms, longest {times[-1]:.0f} ms")
    assert times[-2] < 500
    last = program(site, "work")  # the others may have found nothing for a moment, and gone
    together([last])
    output(last, 60)
    assert site.database.states() == {"finished": 300}


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("kind", "requests"),
    [("sqlite", 1_000), pytest.param("postgres", 4_000, marks=[pytest.mark.postgres])],
)
def test_four_workers_run_thousands_exactly_once(
    sites: Sites, kind: DatabaseKind, requests: int
) -> None:
    run_all(sites, kind, workers=4, requests=requests, seconds=500)
