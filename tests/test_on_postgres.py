"""The rooms that use the database keep their promises on PostgreSQL too, not on SQLite alone."""

import os
import subprocess
import sys

import pytest

from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT

# The slow ones start their own PostgreSQL where it matters.
QUICK = "not slow and not long"
SUITES = ["tests/inference", "tests/monitor", "tests/telemetry", "tests/chat", "tests/accounts"]


@pytest.mark.postgres
@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="this run is on that server already")
def test_the_suites_over_the_database_pass_on_postgresql(postgres_server: PostgresServer) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", QUICK, *SUITES],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": postgres_server.url("postgres")},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout[-20_000:]
