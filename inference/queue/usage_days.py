"""The only writer of `UsageDay`: adds what leaves the history, and moves it between people."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from django.db.models import F

from inference.models import UsageDay
from inference.queue.usage import Usage


class DayKey(NamedTuple):
    """What there is one row of."""

    user_id: int
    day: date
    model: str
    group: str


def add_to_days(sums: Mapping[DayKey, Usage]) -> None:
    """Adds to what is there already, in the caller's transaction."""
    # In one order, like everybody who writes several; nobody waits for each other.
    keys = sorted(sums)
    UsageDay.objects.bulk_create(
        (UsageDay(**key._asdict()) for key in keys), ignore_conflicts=True, batch_size=500
    )
    for key in keys:
        added = sums[key]
        UsageDay.objects.filter(**key._asdict()).update(
            requests=F("requests") + added.requests,
            prompt_tokens=F("prompt_tokens") + added.prompt_tokens,
            cached_tokens=F("cached_tokens") + added.cached_tokens,
            completion_tokens=F("completion_tokens") + added.completion_tokens,
            queue_seconds=F("queue_seconds") + added.queue_seconds,
        )


def move_days(from_user_id: int, to_user_id: int) -> None:
    """One person's become another's, in the caller's transaction."""
    rows = list(UsageDay.objects.select_for_update().filter(user_id=from_user_id))
    add_to_days(
        {DayKey(to_user_id, row.day, row.model, row.group): Usage.of_day(row) for row in rows}
    )
    UsageDay.objects.filter(pk__in=[row.pk for row in rows]).delete()
