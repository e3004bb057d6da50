"""Where everybody stands: position and a range for the wait."""

import math
from dataclasses import dataclass
from statistics import quantiles

from inference.messages import RequestWaiting
from inference.queue.ordering import waiting_in_order
from inference.queue.pace import recent_service_seconds
from inference.queue.policy import current_policy
from inference.queue.workers import running_places

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


def places() -> list[Place]:
    """Every waiting request's place, the next one first."""
    policy = current_policy()
    rows = list(waiting_in_order(policy).values_list("public_id", "reply_group"))
    if not rows:
        return []
    running = 0 if policy.paused else running_places(policy)
    times = recent_service_seconds()
    return [
        Place(str(public_id), group, position, len(rows), eta(position, running, times))
        for position, (public_id, group) in enumerate(rows, start=1)
    ]


def eta(position: int, running: int, service: list[float]) -> tuple[int, int] | None:
    """(low, high) seconds until the request at `position` starts; None without places or
    experience.

    With R places that each take s seconds, a place comes free every s / R seconds on average. The
    low end takes the quick quarter of recent answers, the high end the slow quarter, for one round
    more.
    """
    if not running or len(service) < MIN_EXPERIENCE:
        return None
    quick, _, slow = quantiles(service, n=4, method="inclusive")
    low = quick * (position - 1) / running
    high = slow * math.ceil(position / running)
    return math.floor(low), max(1, math.ceil(high))
