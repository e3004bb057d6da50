"""The one place that says who is next: claims, positions and estimates all read this order.

Highest priority first; then everybody's first request before anybody's second (those that run
count); then arrival, where a person's requests stand as if they had come when that person's last
answer ended: to have some in the queue already is no better than to ask again. Somebody who may
start nothing right now is passed over: they come after everybody who may, so that the first in this
order is the one that is claimed next.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import QuerySet

from inference.models import GenerationRequest, QueuePolicy

State = GenerationRequest.State

# Levels of priority gained by waiting, by the database's clock.
_AGED = {
    "postgresql": (
        "GREATEST(priority, LEAST(%(top)s, priority + GREATEST(0, FLOOR("
        "date_part('epoch', statement_timestamp() - submitted_at) / %(ageing)s))))"
    ),
    "sqlite": (
        "MAX(priority, MIN(%(top)s, priority + MAX(0, CAST("
        "(julianday('now') - julianday(submitted_at)) * 86400 / %(ageing)s AS INTEGER))))"
    ),
}

# When a person's last answer ended; what was aborted while it waited is none.
_SERVED = """(SELECT MAX(ended_at) FROM inference_generationrequest AS served
    WHERE served.user_id = active.user_id AND ended_at IS NOT NULL AND claimed_at IS NOT NULL)"""
_SINCE = {
    "postgresql": f"GREATEST(submitted_at, {_SERVED})",
    "sqlite": f"MAX(submitted_at, COALESCE({_SERVED}, submitted_at))",
}

# `running` sorts before `waiting`, so a person's running requests are their first ones. The window
# and what it reads are the index `request_active`.
_ORDER = """
SELECT id, model, suspect, level, CASE WHEN %(fair)s THEN turn ELSE 1 END AS place,
    CASE WHEN (%(share)s > 0 AND turn > %(share)s) OR (suspect AND %(a_suspect_runs)s)
        THEN 1 ELSE 0 END AS passed_over,
    CASE WHEN %(fair)s THEN {SINCE} END AS since
FROM (
    SELECT id, model, suspect, state, user_id, submitted_at, {LEVEL} AS level,
        ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY state, priority DESC, id) AS turn
    FROM inference_generationrequest
    WHERE ended_at IS NULL {OF_PEOPLE}
        AND (%(any_model)s OR state = 'running' OR model = '' OR model = %(model)s)
) AS active
WHERE state = 'waiting'
ORDER BY passed_over, level DESC, place, since, id
LIMIT %(limit)s
"""
# Both walk the index `request_waiting`; the first from one priority to the next lower one.
_PRIORITIES = """
WITH RECURSIVE priorities(priority) AS (
    SELECT (SELECT priority FROM inference_generationrequest
        WHERE ended_at IS NULL AND lease_until IS NULL
        ORDER BY priority DESC LIMIT 1)
    UNION ALL
    SELECT (SELECT lower.priority FROM inference_generationrequest AS lower
        WHERE ended_at IS NULL AND lease_until IS NULL AND lower.priority < priorities.priority
        ORDER BY lower.priority DESC LIMIT 1)
    FROM priorities WHERE priorities.priority IS NOT NULL
)
SELECT priority FROM priorities WHERE priority IS NOT NULL
"""
# For each priority a part of one query.
_OLDEST = """
SELECT * FROM (
    SELECT id, user_id, priority, {LEVEL} AS level,
        CASE WHEN %(fair)s THEN submitted_at END AS since
    FROM inference_generationrequest
    WHERE ended_at IS NULL AND lease_until IS NULL AND priority = {PRIORITY}
        AND (%(any_model)s OR model = '' OR model = %(model)s)
    ORDER BY id LIMIT %(oldest)s
) AS oldest
"""
EVERYBODY = 2**31 - 1
_FEW = 100
_OLDEST_PER_ROW = 4
_OLDEST_AT_LEAST = 32

Parameters = dict[str, str | int | bool]
# A time as the driver gives it; None where only arrival counts.
Since = Any
Rank = tuple[int, float, int, Since, int]


class Standing(NamedTuple):
    """One waiting request in its place in the order."""

    key: int
    model: str
    suspect: bool
    level: float
    place: int
    passed_over: bool
    since: Since

    @property
    def rank(self) -> Rank:
        """What the order compares; lower is earlier."""
        return int(self.passed_over), -self.level, self.place, self.since, self.key


def active_requests() -> QuerySet[GenerationRequest]:
    """What waits or runs; the filter is the condition of the index `request_active`."""
    return GenerationRequest.objects.filter(ended_at__isnull=True)


def running_requests() -> QuerySet[GenerationRequest]:
    """What runs; the filter is the condition of the index `request_running`.

    A constraint makes it the same as the state, which planners would take for a second condition.
    """
    return GenerationRequest.objects.filter(lease_until__isnull=False)


def waiting_requests() -> QuerySet[GenerationRequest]:
    """What waits; the filter is the condition of the index `request_waiting`."""
    return GenerationRequest.objects.filter(ended_at__isnull=True, lease_until__isnull=True)


def waiting_in_order(
    policy: QueuePolicy, model: str | None = None, limit: int = EVERYBODY
) -> list[Standing]:
    """Waiting requests, the next one first; those that a worker with `model` would take, or all."""
    parameters = _parameters(policy, model, limit)
    if limit <= _FEW:
        found = _first_few(parameters, max(_OLDEST_AT_LEAST, limit * _OLDEST_PER_ROW))
        if found is not None:
            return found
    return _standings(order_sql(), parameters)


def order_sql(people: bool = False) -> str:
    """The query in this database's words: over all people, or over those of a parameter."""
    sql = _ORDER.replace("{OF_PEOPLE}", "AND user_id IN {PEOPLE}" if people else "")
    sql = sql.replace("{SINCE}", _SINCE[connection.vendor])
    return sql.replace("{LEVEL}", _AGED[connection.vendor])


def _first_few(parameters: Parameters, oldest: int) -> list[Standing] | None:
    """The beginning of the order without a look at everybody, or None if that cannot be proven.

    Within one priority an older request is never at a lower level than a younger one. So the first
    few are among the people who have one of the oldest requests of some priority, as long as they
    stand before the oldest that was not looked at, in the best place that it could have (an answer
    that ended only puts its person further back).
    """
    people: set[int] = set()
    unseen: list[Rank] = []
    seen: Counter[int] = Counter()
    for key, user_id, priority, level, since in _oldest_of_each(parameters, oldest + 1):
        seen[priority] += 1
        if seen[priority] <= oldest:
            people.add(user_id)
        else:
            unseen.append((0, -level, 1, since, key))
    if not people:
        return []
    keys = ",".join(map(str, sorted(people)))
    found = _standings(order_sql(people=True).replace("{PEOPLE}", f"({keys})"), parameters)
    proven = not unseen or (found and found[-1].rank < min(unseen))
    return found if proven else None


def _oldest_of_each(parameters: Parameters, oldest: int) -> list[tuple[Any, ...]]:
    """Of each priority so many requests, the oldest first."""
    priorities = [priority for (priority,) in _rows(_PRIORITIES, {})]
    if not priorities:
        return []
    return sorted(_rows(oldest_sql(priorities), {**parameters, "oldest": oldest}))


def oldest_sql(priorities: Iterable[int]) -> str:
    """One query with a part for each of at least one priority."""
    part = _OLDEST.replace("{LEVEL}", _AGED[connection.vendor])
    return "UNION ALL".join(part.replace("{PRIORITY}", str(int(one))) for one in priorities)


def _standings(sql: str, parameters: Parameters) -> list[Standing]:
    return [
        Standing(key, model, bool(suspect), level, place, bool(passed_over), since)
        for key, model, suspect, level, place, passed_over, since in _rows(sql, parameters)
    ]


def _rows(sql: str, parameters: Parameters) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows


def _parameters(policy: QueuePolicy, model: str | None, limit: int) -> Parameters:
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
