"""What a run of a contender was like: when each token came, and the figures made of that.

TTFT   submit of the request → its first token
ITL    between two tokens of one request, the first token excluded
tok/s  all output tokens ÷ (first submit → last token)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass
class RequestTrace:
    """Monotonic times in seconds."""

    submitted: float
    token_times: list[float]
    token_ids: list[int]
    cached_tokens: int = 0


@dataclass(frozen=True)
class Trace:
    requests: list[RequestTrace]

    def figures(self) -> Figures:
        began = min(one.submitted for one in self.requests)
        ended = max(one.token_times[-1] for one in self.requests)
        tokens = sum(len(one.token_times) for one in self.requests)
        firsts = [one.token_times[0] - one.submitted for one in self.requests]
        gaps = self.gaps()
        return Figures(
            tokens_per_s=tokens / (ended - began),
            ttft_p50=percentile(firsts, 50),
            ttft_p99=percentile(firsts, 99),
            itl_p50=percentile(gaps, 50),
            itl_p99=percentile(gaps, 99),
        )

    def gaps(self) -> list[float]:
        """Every time between two tokens of one request."""
        return [gap for one in self.requests for gap in _gaps(one.token_times)]


@dataclass(frozen=True)
class Figures:
    """Seconds and tokens per second."""

    tokens_per_s: float
    ttft_p50: float
    ttft_p99: float
    itl_p50: float
    itl_p99: float


def middle(figures: Sequence[Figures]) -> Figures:
    """The median of each figure over repeats."""
    return Figures(
        tokens_per_s=median(one.tokens_per_s for one in figures),
        ttft_p50=median(one.ttft_p50 for one in figures),
        ttft_p99=median(one.ttft_p99 for one in figures),
        itl_p50=median(one.itl_p50 for one in figures),
        itl_p99=median(one.itl_p99 for one in figures),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest rank; 0.0 of nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * percent // 100))
    return ordered[int(rank) - 1]


def _gaps(times: Sequence[float]) -> list[float]:
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
