"""The only writer of `UsageDay`: adds what leaves the history, and moves it between people."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from django.db import connection

from inference.models import UsageDay
from inference.queue.usage import Usage

# One statement for each row, so that two who add to one row lose nothing.
_ADD = """
INSERT INTO inference_usageday AS kept (user_id, day, model, person_group,
    requests, prompt_tokens, cached_tokens, completion_tokens, queue_seconds)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (user_id, day, model, person_group) DO UPDATE SET
    requests = kept.requests + excluded.requests,
    prompt_tokens = kept.prompt_tokens + excluded.prompt_tokens,
    cached_tokens = kept.cached_tokens + excluded.cached_tokens,
    completion_tokens = kept.completion_tokens + excluded.completion_tokens,
    queue_seconds = kept.queue_seconds + excluded.queue_seconds
"""


class DayKey(NamedTuple):
    """What there is one row of."""

    user_id: int
    day: date
    model: str
    group: str


def add_to_days(sums: Mapping[DayKey, Usage]) -> None:
    """Adds to what is there already, in the caller's transaction."""
    # In one order, like everybody who writes several; then nobody waits in a circle.
    rows = [
        (key.user_id, key.day.isoformat(), key.model, key.group, *sums[key].values())
        for key in sorted(sums)
    ]
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(_ADD, rows)


def move_days(from_user_id: int, to_user_id: int) -> None:
    """One person's become another's, in the caller's transaction."""
    rows = list(UsageDay.objects.select_for_update().filter(user_id=from_user_id))
    add_to_days(
        {DayKey(to_user_id, row.day, row.model, row.group): Usage.of_day(row) for row in rows}
    )
    UsageDay.objects.filter(pk__in=[row.pk for row in rows]).delete()
