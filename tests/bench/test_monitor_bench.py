"""The bench of the live queue runs a real site and real pages; its figures are of them."""

from pathlib import Path

import pytest

from inference.bench.monitor import command
from inference.bench.monitor.command import MonitorStage, Plan


@pytest.mark.long
@pytest.mark.redis
@pytest.mark.slow
def test_watchers_are_told_of_running_answers_and_cost_something(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "SETTLE_SECONDS", 1.0)
    plan = Plan(requests=8, watchers=2, rate=20.0, seconds=2.0)
    cost = MonitorStage(plan, tmp_path).cost()
    # Two pages, each told once a second of tokens that grow.
    assert 1.0 <= cost.frames_per_s <= 6.0
    assert cost.bytes_per_s > 500
    assert cost.watched > cost.without >= 0
