"""What one step did and where its time went: plain values that pickle."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """Times in seconds. ``emit_s`` is that of the step before: it is known only afterwards. On a
    GPU ``forward_s`` is the time to hand it the work; the wait for it is in ``sample_s``.

    ``kv_tokens`` counts computed tokens in memory, warm ones included, of ``kv_capacity``;
    both are 0 for a runner that reserves nothing. ``memory_used`` of ``memory_total`` are bytes of
    the device (``memory.MemoryGauge``), 0 where nobody looked. ``cached_tokens`` are prompt tokens
    that the sequences admitted in this step need not compute, of their ``admitted_tokens``.
    """

    running: int = 0
    output_tokens: int = 0
    prefill_tokens: int = 0
    admitted_tokens: int = 0
    cached_tokens: int = 0
    kv_tokens: int = 0
    kv_capacity: int = 0
    memory_used: int = 0
    memory_total: int = 0
    plan_s: float = 0.0
    forward_s: float = 0.0
    sample_s: float = 0.0
    emit_s: float = 0.0
