"""How the queue stood over time: whoever keeps house writes a sample every few seconds.

Definitions of the times are those of `inference.metrics`.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from statistics import fmean, quantiles
from typing import Any

from django.db.models import Q

from inference.metrics import seconds_between
from inference.models import GenerationRequest, QueueSample
from inference.queue.clock import database_now
from inference.queue.ordering import running_requests, waiting_requests
from inference.queue.policy import current_policy
from inference.queue.workers import live_workers, places_by_model

# Percentiles are of what began so long before the sample.
WINDOW_SECONDS = 60.0
LEVELS = ("waiting", "running", "places", "tokens_per_s")
TIMES = ("queue_p50", "queue_p95", "ttft_p50", "ttft_p95")


def take_sample() -> QueueSample:
    """Writes how things stand now."""
    now = database_now()
    since = now - timedelta(seconds=WINDOW_SECONDS)
    queue = _percentiles(_seconds("claimed_at", since))
    ttft = _percentiles(_seconds("first_token_at", since))
    figures = live_workers().values_list("figures", flat=True)
    return QueueSample.objects.create(
        at=now,
        waiting=waiting_requests().count(),
        running=running_requests().count(),
        places=sum(places_by_model(current_policy()).values()),
        tokens_per_s=sum(float(one.get("tokens_per_s", 0)) for one in figures),
        queue_p50=queue[0],
        queue_p95=queue[1],
        ttft_p50=ttft[0],
        ttft_p95=ttft[1],
    )


def samples_of(seconds: float, most: int) -> list[dict[str, Any]]:
    """The samples of the last `seconds`, oldest first, put together into at most `most` points."""
    since = database_now() - timedelta(seconds=seconds)
    rows = QueueSample.objects.filter(at__gte=since).order_by("at")
    return [_together(few) for few in _pieces(list(rows), most)]


def samples_after(key: int) -> list[tuple[int, dict[str, Any]]]:
    """(key, point) of each sample after the one with this key."""
    rows = QueueSample.objects.filter(pk__gt=key).order_by("pk")
    return [(row.pk, _together([row])) for row in rows]


def newest_sample() -> int:
    """The key of the newest one, 0 where there is none."""
    newest = QueueSample.objects.order_by("-pk").values_list("pk", flat=True).first()
    return newest or 0


def _seconds(what: str, since: datetime) -> list[float]:
    """Submitted → `what`, of all requests where that happened since then."""
    # What began since then has not ended before: both halves walk an index.
    lately = Q(ended_at__isnull=True) | Q(ended_at__isnull=False, ended_at__gte=since)
    rows = GenerationRequest.objects.filter(lately, **{f"{what}__gte": since})
    times = rows.values_list("submitted_at", what)
    return [seconds_between(submitted, began) or 0.0 for submitted, began in times]


def _percentiles(times: Sequence[float]) -> tuple[float | None, float | None]:
    """(p50, p95), None where there is nothing to tell of."""
    if not times:
        return None, None
    if len(times) == 1:
        return times[0], times[0]
    cuts = quantiles(times, n=20, method="inclusive")
    return round(cuts[9], 3), round(cuts[18], 3)


def _pieces(rows: Sequence[QueueSample], most: int) -> Iterator[Sequence[QueueSample]]:
    size = max(1, -(-len(rows) // most))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _together(rows: Sequence[QueueSample]) -> dict[str, Any]:
    """One point: levels as means, times as the worst of them, as peaks are what one looks for."""
    levels = {name: round(fmean(getattr(row, name) for row in rows), 2) for name in LEVELS}
    times = {name: _worst(getattr(row, name) for row in rows) for name in TIMES}
    return {"at": rows[-1].at.timestamp(), **levels, **times}


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
