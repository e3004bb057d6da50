"""Where everybody stands: position and a range for the wait, from the order of the claims.

With several models, a position counts the requests that a worker with that model would take before;
a request for any model stands where it stands best.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from statistics import quantiles

from django.db.models import Count

from inference.messages import RequestWaiting
from inference.models import GenerationRequest, QueuePolicy
from inference.queue.ordering import EVERYBODY, Standing, waiting_in_order, waiting_requests
from inference.queue.pace import recent_service_seconds
from inference.queue.policy import current_policy
from inference.queue.workers import places_by_model

MIN_EXPERIENCE = 3


@dataclass(frozen=True)
class Place:
    """A waiting request's place; `position` 1 is next."""

    public_id: str
    reply_group: str
    position: int
    waiting: int
    eta_seconds: tuple[int, int] | None

    def event(self) -> RequestWaiting:
        return RequestWaiting(self.public_id, self.position, self.waiting, self.eta_seconds)


def places(first: int = EVERYBODY, user_id: int | None = None) -> list[Place]:
    """Waiting requests' places, the next one first: of the `first` ones, or of one person."""
    waiting = waiting_requests()
    asked = dict(waiting.values_list("model").annotate(Count("id")))
    total = sum(asked.values())
    if not total:
        return []
    policy = current_policy()
    offered = places_by_model(policy)
    positions = _positions(policy, set(asked), set(offered), first)
    total = max([total, *positions.values()])  # some may have come in between
    wanted = GenerationRequest.objects.filter(pk__in=positions) if first < total else waiting
    if user_id is not None:
        wanted = wanted.filter(user_id=user_id)
    running = 0 if policy.paused else sum(offered.values())
    times = recent_service_seconds()
    found = [
        Place(str(public_id), group, positions[key], total, eta(positions[key], running, times))
        for key, public_id, group in wanted.values_list("id", "public_id", "reply_group")
        if key in positions  # else it came in between
    ]
    return sorted(found, key=lambda place: place.position)


def eta(position: int, running: int, service: list[float]) -> tuple[int, int] | None:
    """(low, high) seconds until the request at `position` starts; None without places or
    experience.

    With R places that each take s seconds, a place comes free every s / R seconds on average. The
    low end takes the quick quarter of recent answers, the high end the slow quarter, for one round
    more.
    """
    if not running or len(service) < MIN_EXPERIENCE:
        return None
    quick, slow = _quartiles(tuple(service))
    low = quick * (position - 1) / running
    high = slow * math.ceil(position / running)
    return math.floor(low), max(1, math.ceil(high))


@lru_cache(maxsize=4)
def _quartiles(service: tuple[float, ...]) -> tuple[float, float]:
    """Asked for the same times once for everybody who waits."""
    quick, _, slow = quantiles(service, n=4, method="inclusive")
    return quick, slow


def _positions(
    policy: QueuePolicy, asked: set[str], offered: set[str], first: int
) -> dict[int, int]:
    """Key → position, from the order of each model, or a single one where all are the same."""
    models = (asked | offered) - {""}
    if len(models) <= 1:
        return dict(_numbered(waiting_in_order(policy, None, first)))
    best: dict[int, int] = {}
    for model in sorted(models):
        for position, standing in enumerate(waiting_in_order(policy, model, first), start=1):
            if standing.model or model in offered or not offered:
                best[standing.key] = min(position, best.get(standing.key, position))
    return best


def _numbered(standings: list[Standing]) -> Iterator[tuple[int, int]]:
    return ((standing.key, at) for at, standing in enumerate(standings, start=1))
