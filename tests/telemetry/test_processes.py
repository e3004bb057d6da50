"""Several processes add to the same rows at once."""

import subprocess
import sys

import pytest

from tests.support.fixtures import DatabaseKind, Sites
from tests.support.processes import ROOT
from tests.support.site import Plan

BOTH = [pytest.param("sqlite"), pytest.param("postgres", marks=[pytest.mark.postgres])]
PROCESSES, WRITES = 3, 25


@pytest.mark.slow
@pytest.mark.parametrize("kind", BOTH)
def test_processes_that_add_at_once_lose_nothing(sites: Sites, kind: DatabaseKind) -> None:
    site = sites.make(Plan(), kind)
    command = [sys.executable, "-m", "tests.telemetry.processes", str(WRITES)]
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "chatsite.settings"}
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, cwd=ROOT, env=env, stdin=pipe, stdout=pipe, text=True)
        for _ in range(PROCESSES)
    ]
    try:
        for process in started:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        for process in started:
            process.communicate(timeout=60)
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * PROCESSES
    rows = site.database.execute("SELECT name, value FROM inference_metrictotal ORDER BY name")
    every = float(PROCESSES * WRITES)
    assert rows == [
        ("chatsite_e2e_request_latency_seconds_bucket", every),
        ("chatsite_e2e_request_latency_seconds_sum", 3 * every),
        ("chatsite_request_success_total", every),
        ("chatsite_requests_submitted_total", every),
        ("chatsite_requests_submitted_total", every),
        ("chatsite_rescues_total", every),
    ]
