"""What the figures mean; pure arithmetic over a request's times.

queue time   submitted → first claimed by a worker
TTFT         submitted → first text published (so it includes the queue time)
decode time  first text published → ended
tokens/s     output tokens after the first ÷ decode time
"""

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
