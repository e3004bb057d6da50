"""Sums of what the engine's steps did since its worker started: plain numbers that only grow.

Definitions are those of ``step_report``; who wants rates subtracts two readings.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from inference.engine.step_report import StepReport


@dataclass
class EngineTotals:
    """``*_s`` in seconds. The last five are levels, as of the newest step."""

    steps: int = 0
    output_tokens: int = 0
    prefill_tokens: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    plan_s: float = 0.0
    forward_s: float = 0.0
    sample_s: float = 0.0
    emit_s: float = 0.0
    running: int = 0
    kv_tokens: int = 0
    kv_capacity: int = 0
    memory_used: int = 0
    memory_total: int = 0

    def add(self, report: StepReport) -> None:
        if report.output_tokens or report.prefill_tokens:
            self.steps += 1
        self.output_tokens += report.output_tokens
        self.prefill_tokens += report.prefill_tokens
        self.prompt_tokens += report.admitted_tokens
        self.cached_tokens += report.cached_tokens
        self.plan_s += report.plan_s
        self.forward_s += report.forward_s
        self.sample_s += report.sample_s
        self.emit_s += report.emit_s
        self.running = report.running
        self.kv_tokens = report.kv_tokens
        self.kv_capacity = report.kv_capacity
        self.memory_used = report.memory_used
        self.memory_total = report.memory_total

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)
