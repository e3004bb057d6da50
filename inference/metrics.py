"""What the figures mean; pure arithmetic over a request's times.

queue time   submitted → first claimed by a worker
TTFT         submitted → first text published (so it includes the queue time)
decode time  first text published → ended
tokens/s     output tokens after the first ÷ decode time

prefill time   first claimed → first text published
e2e latency    submitted → ended, of requests that a worker took
time per output token   decode time ÷ output tokens after the first
rescue         a request taken back from a worker that died, or that lost sight of it
oldest wait    now − when the waiting request that came first was submitted
places         how many may run at once: of each ready worker the smaller of N and its slots

`/metrics` counts a request's tokens when it ends, and its times when they are known; a rescued
request is one request, timed from its first claim (`telemetry.definitions`, `telemetry.gauges`).

Of a worker's engine, over the time between two readings of its totals (`engine.totals`):

tokens_per_s   output tokens of all requests ÷ that time
steps_per_s    steps in which tokens were made or prompts read ÷ that time
mean_batch     output tokens per step
step_ms        mean length of a step, and of it plan, forward, sample and emit
prefill_per_s  prompt tokens computed ÷ that time
prefix_hits    share of the prompt tokens of new requests that needed no computing, since the start
kv_used        computed tokens in the slots (warm ones too) ÷ what the slots can hold
memory_used    bytes taken of the device's memory_total: on a GPU by everybody, else by the engine
"""

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.models import GenerationRequest


def timings_of(request: "GenerationRequest") -> dict[str, float | None]:
    """`{queue_s, ttft_s, decode_s, tokens_per_s}`; None for what did not happen."""
    decode = seconds_between(request.first_token_at, request.ended_at)
    return {
        "queue_s": _rounded(seconds_between(request.submitted_at, request.claimed_at)),
        "ttft_s": _rounded(seconds_between(request.submitted_at, request.first_token_at)),
        "decode_s": _rounded(decode),
        "tokens_per_s": _rate(request.completion_tokens - 1, decode),
    }


class EngineMeter:
    """A worker's figures of its engine, each time of what came since the last reading."""

    def __init__(self, totals: Callable[[], Mapping[str, float]]) -> None:
        self._totals = totals
        self._last = totals()
        self._last_at = time.monotonic()

    def read(self) -> dict[str, float]:
        now, totals = time.monotonic(), self._totals()
        figures = engine_figures(totals, self._last, now - self._last_at)
        self._last_at, self._last = now, totals
        return figures


def engine_figures(
    now: Mapping[str, float], before: Mapping[str, float], seconds: float
) -> dict[str, float]:
    """What a worker says of its engine, from two readings of the totals `seconds` apart."""

    def grown(name: str) -> float:
        return now[name] - before.get(name, 0)

    steps = grown("steps")
    parts = {name: grown(f"{name}_s") for name in ("plan", "forward", "sample", "emit")}
    per_step = {f"{name}_ms": _ratio(1000 * spent, steps) for name, spent in parts.items()}
    return {
        "running": now["running"],
        "tokens_per_s": _ratio(grown("output_tokens"), seconds),
        "steps_per_s": _ratio(steps, seconds),
        "prefill_per_s": _ratio(grown("prefill_tokens"), seconds),
        "mean_batch": _ratio(grown("output_tokens"), steps),
        "step_ms": _ratio(1000 * sum(parts.values()), steps),
        **per_step,
        "prefix_hits": _ratio(now["cached_tokens"], now["prompt_tokens"]),
        "kv_used": _ratio(now["kv_tokens"], now["kv_capacity"]),
        "memory_used": now.get("memory_used", 0),
        "memory_total": now.get("memory_total", 0),
    }


def _ratio(amount: float, of: float) -> float:
    return round(amount / of, 3) if of > 0 else 0.0


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds from `start` to `end`, never negative; None if either did not happen."""
    if start is None or end is None:
        return None
    return max(0.0, (end - start).total_seconds())


def _rate(tokens: int, seconds: float | None) -> float | None:
    if not seconds or tokens < 1:
        return None
    return round(tokens / seconds, 1)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
