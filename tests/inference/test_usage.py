"""Usage: the history and what was pruned from it, added, by person, group, model and day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup

from inference.models import GenerationRequest, UsageDay
from inference.queue.days import today
from inference.queue.usage import Period, Usage, total, usage_by, usage_by_group
from tests.inference.build import a_user

pytestmark = pytest.mark.django_db

WEEK = Period(date(2026, 3, 1), date(2026, 3, 7))


def ended(user: Any, at: datetime, **fields: Any) -> None:
    values = {
        "state": "finished",
        "prompt_tokens": 10,
        "cached_tokens": 4,
        "completion_tokens": 5,
        "submitted_at": at - timedelta(seconds=10),
        "claimed_at": at - timedelta(seconds=7),
        **fields,
    }
    GenerationRequest.objects.create(
        user=user, messages=[], params={}, reply_group="", ended_at=at, **values
    )


def at(day: int, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(2026, 3, day, hour, minute, tzinfo=UTC)


def requests(usage: dict[Any, Usage]) -> dict[Any, int]:
    return {key: one.requests for key, one in usage.items()}


def test_history_and_pruned_days_are_added_and_other_days_are_not() -> None:
    user = a_user()
    for moment in (at(1, 0), at(7, 23, 59), at(8, 0)):
        ended(user, moment)
    for day in (date(2026, 2, 28), date(2026, 3, 1)):
        UsageDay.objects.create(
            user=user, day=day, requests=2, prompt_tokens=100, queue_seconds=9.0
        )
    (used,) = usage_by("user_id", WEEK).values()
    assert (used.requests, used.prompt_tokens, used.cached_tokens) == (4, 120, 8)
    assert used.tokens == 120 - 8 + 10
    assert used.queue_seconds == pytest.approx(15, abs=0.01)
    assert used.mean_queue_seconds == pytest.approx(15 / 4, abs=0.01)


def test_by_day_by_model_and_by_person(settings: Any) -> None:
    one, two = a_user(), a_user()
    ended(one, at(2, 23), model="small")
    ended(one, at(3), model="large")
    ended(two, at(3), model="small")
    assert requests(usage_by("model", WEEK)) == {"small": 2, "large": 1}
    assert requests(usage_by("user_id", WEEK)) == {one.pk: 2, two.pk: 1}
    assert requests(usage_by("day", WEEK)) == {date(2026, 3, 2): 1, date(2026, 3, 3): 2}
    assert requests(usage_by("model", WEEK, two.pk)) == {"small": 1}
    settings.TIME_ZONE = "Asia/Tokyo"  # where it is the 3rd already
    assert requests(usage_by("day", WEEK)) == {date(2026, 3, 3): 3}


def test_by_group_people_in_none_count_as_their_kind_at_the_time() -> None:
    both, single, nobody = a_user(), a_user(), a_user()
    for name, members in {"red": [both, single], "blue": [both], "empty": []}.items():
        AuthGroup.objects.create(name=name).user_set.add(*members)
    for user in (both, single):
        ended(user, at(2), group="staff")
    ended(nobody, at(2), group="guests")
    UsageDay.objects.create(user=nobody, day=date(2026, 3, 4), group="members", requests=7)
    assert requests(usage_by_group(WEEK)) == {
        ("group", "red"): 2,
        ("group", "blue"): 1,
        ("kind", "guests"): 1,
        ("kind", "members"): 7,
    }


def test_who_never_ran_waited_until_the_end_and_active_ones_are_not_counted() -> None:
    user = a_user()
    ended(user, at(2), state="aborted", claimed_at=None)
    GenerationRequest.objects.create(
        user=user, messages=[], params={}, reply_group="", submitted_at=at(2)
    )
    used = total(usage_by("user_id", WEEK).values())
    assert used.requests == 1
    assert used.queue_seconds == pytest.approx(10, abs=0.01)


def test_a_period_of_so_many_days_ends_today() -> None:
    period = Period.of_last(7)
    assert (len(period.days()), period.last) == (7, today())
