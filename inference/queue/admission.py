"""Says yes or no to a new request: exactly N + Q of a burst get in, whichever process asks.

Runs under the policy lock, so what it counts cannot change before the row is inserted.
"""

import math
from collections.abc import Collection

from django.db.models import Count, Q
from django.utils.translation import gettext as _

from inference.errors import Refused
from inference.models import QueuePolicy
from inference.queue.ordering import State, active_requests
from inference.queue.pace import service_seconds
from inference.queue.workers import places_by_model

NOT_READY_RETRY_SECONDS = 10.0


def check_admission(policy: QueuePolicy, user_id: int, model: str) -> None:
    """Raises `Refused`: invalid (no such model), user_limit, not_ready or queue_full."""
    offered = places_by_model(policy)
    _check_model(model, offered)
    active = active_requests()
    places = offered.get(model, 0) if model else sum(offered.values())
    _check_user(policy, user_id, places)
    if model:
        active = active.filter(Q(model=model) | Q(model=""))
    if active.count() < places + policy.max_waiting:
        return
    if not places:
        raise Refused(
            "not_ready",
            _("No worker is ready and the queue is full. Try again in a moment."),
            NOT_READY_RETRY_SECONDS,
        )
    raise Refused(
        "queue_full",
        _("All places are taken and the queue is full. Try again in a moment."),
        retry_after(places),
    )


def retry_after(places: int) -> float:
    """Seconds until a place is likely to have come free."""
    return float(min(60, max(1, math.ceil(service_seconds() / max(1, places)))))


def _check_model(model: str, offered: Collection[str]) -> None:
    if model and offered and model not in offered:
        raise Refused(
            "invalid",
            _("The model %(model)s is not on offer. Choose one of: %(offered)s.")
            % {"model": model[:80], "offered": ", ".join(sorted(offered))},
        )


def _check_user(policy: QueuePolicy, user_id: int, places: int) -> None:
    """At most `max_waiting_per_user` wait, besides those that run or could start at once."""
    if not policy.max_waiting_per_user:
        return
    mine = active_requests().filter(user_id=user_id)
    counts = mine.aggregate(held=Count("id"), running=Count("id", filter=Q(state=State.RUNNING)))
    held, running = counts["held"], counts["running"]
    if held < running + policy.max_waiting_per_user:
        return
    if held < _could_run(policy, user_id, running, places) + policy.max_waiting_per_user:
        return
    raise Refused(
        "user_limit",
        _("You have %(held)d requests running or waiting, which is the limit for one person.")
        % {"held": held},
        retry_after(places),
    )


def _could_run(policy: QueuePolicy, user_id: int, running: int, places: int) -> int:
    """How many of a person's requests run once all that can start has started.

    Claims lag a little behind submits: of a quick burst into a free site, more are waiting for a
    moment than will have to.
    """
    share: int = policy.max_running_per_user or places
    others = active_requests().exclude(user_id=user_id).values("user_id").annotate(held=Count("id"))
    taken = sum(min(share, int(one["held"])) for one in others)
    return max(running, min(share, places - taken))
