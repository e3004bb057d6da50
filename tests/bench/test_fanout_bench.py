"""The fan-out bench: its figures are what they say, and a small run of it is a whole one."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from inference.bench.fanout.figures import due_times, figures, latency, missing
from inference.bench.fanout.plan import Plan
from inference.bench.fanout.stage import BenchError, Stage
from tests.support.processes import MARK, ROOT, marked, wait_until_gone
from tests.support.programs import find_redis, needed


def test_what_later_deltas_show_to_be_missing_is_lost() -> None:
    assert missing([(5, 2, 0.0), (7, 1, 0.1), (10, 2, 0.2), (10, 2, 0.3), (12, 1, 0.4)]) == 2
    assert missing([]) == 0


def test_the_schedule_is_that_of_the_promptest_token() -> None:
    noted = [10.31, 10.405, 10.502, 10.9]  # ten a second, on the grid from 10.3
    assert due_times(noted, 10) == pytest.approx([10.3, 10.4, 10.5, 10.6])
    assert due_times([], 10) == []


def test_a_latency_is_that_of_tokens_not_of_frames() -> None:
    found = latency([1.0] + [0.1] * 99 + [0.2] * 100)
    assert (found.p50, found.p99) == (0.2, 0.2)
    assert math.isnan(latency([]).p50)


def test_figures_count_the_measured_time_only() -> None:
    clients = {
        "begin": 100.0,
        "end": 102.0,
        "closed": 0,
        "streams": {"r": [(0, 1, 99.9), (1, 2, 100.5), (4, 1, 101.0), (5, 1, 102.5)]},
    }
    engine = {"r.1": [99.8, 100.2, 100.3, 100.6, 100.9, 102.4]}
    found = figures("own", 10.0, clients, engine, {"web": 0.5}, rate=10)
    assert (found.delivered, found.frames, found.lost, found.made) == (1.5, 1.0, 1, 2.0)
    assert found.from_event.p50 == pytest.approx(0.2)
    assert found.from_event.p99 == pytest.approx(0.3)


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.slow
def test_a_small_run_delivers_everything_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed(find_redis(), "redis-server")
    monkeypatch.setenv(MARK, "fanout")
    said, file = StringIO(), tmp_path / "figures.json"
    options = ["--sockets=6", "--streaming=3", "--rate=40", "--seconds=1", "--kinds=own"]
    call_command("bench", "fanout", *options, f"--json={file}", stdout=said)
    (row,) = json.loads(file.read_text())["rows"]
    assert row["lost"] == row["closed"] == 0
    assert row["delivered"] == pytest.approx(120, rel=0.2)
    assert 0 < row["from_event"]["p50"] < 0.5
    assert said.getvalue().splitlines()[-1].startswith("own")
    assert marked("fanout") == []


def test_a_site_that_does_not_start_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.bench.fanout.stage.find_redis", lambda: "/bin/false")
    stage = Stage(Plan(), tmp_path)
    monkeypatch.setattr(stage, "_run", lambda *arguments: None)
    with pytest.raises(BenchError, match="Redis does not answer"):
        stage.run()


def test_an_unknown_contender_is_refused() -> None:
    with pytest.raises(CommandError, match="there is no 'rabbit'"):
        call_command("bench", "fanout", "--kinds=rabbit")


@pytest.mark.long
def test_nothing_outlives_a_bench_that_is_killed() -> None:
    needed(find_redis(), "redis-server")
    command = [sys.executable, "manage.py", "bench", "fanout", "--sockets=2", "--streaming=1"]
    env = {**os.environ, MARK: "killed-bench"}
    with subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL) as bench:
        deadline = time.monotonic() + 30
        while len(marked("killed-bench")) < 4:  # the bench, Redis, web, worker
            assert time.monotonic() < deadline
            time.sleep(0.1)
        bench.kill()
    # The engine's child sees that its worker is gone.
    assert wait_until_gone("killed-bench", 10) == []
