"""How long answers take lately: the base of every estimate shown to people."""

from statistics import median

from inference.metrics import seconds_between
from inference.models import GenerationRequest

SAMPLE = 20
DEFAULT_SECONDS = 10.0


def recent_service_seconds() -> list[float]:
    """Claimed → ended of the latest finished requests, newest first."""
    rows = (
        GenerationRequest.objects.filter(
            state=GenerationRequest.State.FINISHED,
            claimed_at__isnull=False,
            ended_at__isnull=False,  # the condition of the index
        )
        .order_by("-ended_at")
        .values_list("claimed_at", "ended_at")[:SAMPLE]
    )
    return [seconds_between(claimed, ended) or 0.0 for claimed, ended in rows]


def service_seconds() -> float:
    """A typical answer's time; a guess while there is no experience yet."""
    times = recent_service_seconds()
    return max(0.5, median(times)) if times else DEFAULT_SECONDS
