"""What a worker says of its engine, from two readings of its totals."""

from __future__ import annotations

from inference.engine.step_report import StepReport
from inference.engine.totals import EngineTotals
from inference.metrics import engine_figures

PREFILL = StepReport(
    running=2,
    prefill_tokens=100,
    admitted_tokens=120,
    cached_tokens=30,
    plan_s=0.001,
    forward_s=0.05,
)
DECODE = StepReport(
    running=2,
    output_tokens=2,
    kv_tokens=300,
    kv_capacity=1000,
    plan_s=0.001,
    forward_s=0.01,
    sample_s=0.002,
    emit_s=0.001,
)


def totals(*reports: StepReport) -> dict[str, int | float]:
    sums = EngineTotals()
    for report in reports:
        sums.add(report)
    return sums.as_dict()


def test_totals_are_sums_and_the_newest_levels() -> None:
    found = totals(PREFILL, DECODE, DECODE)
    assert (found["steps"], found["output_tokens"], found["prefill_tokens"]) == (3, 4, 100)
    assert (found["running"], found["kv_tokens"], found["kv_capacity"]) == (2, 300, 1000)


def test_a_heartbeat_without_work_is_no_step() -> None:
    assert totals(StepReport(running=1))["steps"] == 0


def test_figures_are_of_the_time_between_two_readings() -> None:
    before, now = totals(PREFILL), totals(PREFILL, DECODE, DECODE)
    figures = engine_figures(now, before, 0.5)
    assert figures == {
        "running": 2,
        "tokens_per_s": 8.0,
        "steps_per_s": 4.0,
        "prefill_per_s": 0.0,
        "mean_batch": 2.0,
        "step_ms": 14.0,
        "plan_ms": 1.0,
        "forward_ms": 10.0,
        "sample_ms": 2.0,
        "emit_ms": 1.0,
        "prefix_hits": 0.25,
        "kv_used": 0.3,
        "memory_used": 0,
        "memory_total": 0,
    }


def test_an_engine_that_did_nothing_has_figures_of_zero() -> None:
    idle = totals()
    assert set(engine_figures(idle, idle, 2.0).values()) == {0}
