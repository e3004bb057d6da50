"""The one place that says who is next: claims, positions and estimates all read this order.

Highest priority first; then everybody's first request before anybody's second (those that run
count); then arrival. Somebody who may start nothing right now is passed over: they come after
everybody who may, so that the first in this order is the one that is claimed next.
"""

from typing import NamedTuple

from django.db import connection
from django.db.models import QuerySet

from inference.models import GenerationRequest, QueuePolicy

State = GenerationRequest.State

# Levels of priority gained by waiting, by the database's clock.
_AGED = {
    "postgresql": (
        "GREATEST(priority, LEAST(%(top)s, priority + GREATEST(0, FLOOR("
        "EXTRACT(EPOCH FROM statement_timestamp() - submitted_at) / %(ageing)s))))"
    ),
    "sqlite": (
        "MAX(priority, MIN(%(top)s, priority + MAX(0, CAST("
        "(julianday('now') - julianday(submitted_at)) * 86400 / %(ageing)s AS INTEGER))))"
    ),
}

# `running` sorts before `waiting`, so a person's running requests are their first ones. The window
# and what it reads are the index `request_active`.
_ORDER = """
SELECT id, user_id, model, suspect, passed_over
FROM (
    SELECT id, user_id, model, suspect, state, turn, level,
        (%(share)s > 0 AND turn > %(share)s) OR (suspect AND %(a_suspect_runs)s) AS passed_over
    FROM (
        SELECT id, user_id, model, suspect, state, {LEVEL} AS level,
            ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY state, id) AS turn
        FROM inference_generationrequest
        WHERE ended_at IS NULL
            AND (%(any_model)s OR state = 'running' OR model = '' OR model = %(model)s)
    ) AS active
) AS ranked
WHERE state = 'waiting'
ORDER BY passed_over, level DESC, CASE WHEN %(fair)s THEN turn ELSE 0 END, id
LIMIT %(limit)s
"""
_EVERYBODY = 2**31 - 1


class Standing(NamedTuple):
    """One waiting request in its place in the order."""

    key: int
    user_id: int
    model: str
    suspect: bool
    passed_over: bool


def active_requests() -> QuerySet[GenerationRequest]:
    """What waits or runs; the filter is the condition of the index `request_active`."""
    return GenerationRequest.objects.filter(ended_at__isnull=True)


def running_requests() -> QuerySet[GenerationRequest]:
    """What runs; the filter is the condition of the index `request_running`."""
    return GenerationRequest.objects.filter(state=State.RUNNING, lease_until__isnull=False)


def waiting_in_order(
    policy: QueuePolicy, model: str | None = None, limit: int = _EVERYBODY
) -> list[Standing]:
    """Waiting requests, the next one first; those that a worker with `model` would take, or all."""
    with connection.cursor() as cursor:
        cursor.execute(order_sql(), _parameters(policy, model, limit))
        rows = cursor.fetchall()
    return [Standing(key, user, of, bool(alone), bool(over)) for key, user, of, alone, over in rows]


def order_sql() -> str:
    """The query, in this database's words."""
    return _ORDER.replace("{LEVEL}", _AGED[connection.vendor])


def _parameters(policy: QueuePolicy, model: str | None, limit: int) -> dict[str, str | int | bool]:
    return {
        "share": policy.max_running_per_user,
        "a_suspect_runs": running_requests().filter(suspect=True).exists(),
        "any_model": model is None,
        "model": model or "",
        "fair": policy.order == QueuePolicy.Order.FAIR.value,
        "top": policy.top_priority,
        "ageing": policy.ageing_seconds or 10**12,
        "limit": limit,
    }
