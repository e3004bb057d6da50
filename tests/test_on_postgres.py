"""The rooms that use the database keep their promises on PostgreSQL too, not on SQLite alone."""

import os
import subprocess
import sys

import pytest

from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
# The slow ones start their own PostgreSQL where it matters.
QUICK = "not slow and not long"
ALL = ["tests/inference", "tests/monitor", "tests/telemetry", "tests/chat", "tests/accounts"]
# Where locks, times, constraints or statements of our own decide.
MOST = [
    "tests/inference",
    "tests/monitor/test_state.py",
    "tests/chat/test_chat_actions.py",
    "tests/accounts/test_guests.py",
]
# What these are about does not reach the database.
WITHOUT = [
    "tests/inference/test_channel_layer.py",
    "tests/inference/test_history_hostile.py",
    "tests/inference/test_loops.py",
    "tests/inference/test_server.py",
]


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="this run is on that server already")
@pytest.mark.parametrize(
    "suites",
    [
        pytest.param([*MOST, *(f"--ignore={file}" for file in WITHOUT)], id="most"),
        pytest.param(ALL, id="all", marks=[pytest.mark.long]),
    ],
)
def test_the_suites_over_the_database_pass_on_postgresql(
    postgres_server: PostgresServer, suites: list[str]
) -> None:
    result = subprocess.run(
        [*PYTEST, "-m", QUICK, *suites],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": postgres_server.url("postgres")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-20_000:]
