"""Daily token quotas: whose counts, what counts, and that nobody overruns one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.db import connections

from inference.models import GenerationRequest, GroupQuota
from inference.queue import Group, Refused, abort, quota_today
from inference.queue.claiming import claim
from inference.queue.days import start_of, today
from inference.queue.running import Ending, checkpoint, finish
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of

pytestmark = pytest.mark.django_db


def limits(**fields: Any) -> None:
    a_policy(**{"max_running": 8, "max_waiting": 100, "max_new_tokens": 1000, **fields})


def ended(user: Any, **figures: int) -> GenerationRequest:
    """An answer of today with these figures."""
    request = a_request(user)
    abort(str(request.public_id), user)
    GenerationRequest.objects.filter(pk=request.pk).update(**figures)
    return request


def refusal(user: Any, **fields: Any) -> Refused:
    before = GenerationRequest.objects.count()
    with pytest.raises(Refused) as caught:
        a_request(user, **fields)
    assert GenerationRequest.objects.count() == before
    assert caught.value.code == "quota"
    return caught.value


def left(user: Any, group: Group = Group.MEMBERS) -> int | None:
    quota = quota_today(user.pk, group)
    return None if quota is None else quota.left


def test_without_a_quota_nothing_is_counted_and_nothing_is_capped() -> None:
    limits()
    user = a_user()
    ended(user, completion_tokens=10**9)
    assert left(user) is None
    assert a_request(user).params["max_tokens"] == 1000


def test_each_kind_of_people_has_its_own_limit() -> None:
    limits(daily_tokens_staff=3, daily_tokens_members=2, daily_tokens_guests=1)
    user = a_user()
    assert [left(user, kind) for kind in Group] == [3, 2, 1]


@pytest.mark.parametrize(
    ("quotas", "expected"), [([50], 50), ([50, 70, 60], 70), ([50, 0], None), ([], 9)]
)
def test_the_best_quota_of_a_persons_groups_goes_before_that_of_their_kind(
    quotas: list[int], expected: int | None
) -> None:
    limits(daily_tokens_members=9)
    user = a_user()
    for number, tokens in enumerate(quotas):
        group = AuthGroup.objects.create(name=f"group {number}")
        GroupQuota.objects.create(group=group, daily_tokens=tokens)
        group.user_set.add(user)
    without = AuthGroup.objects.create(name="without a quota")
    without.user_set.add(user)
    assert left(user) == expected


def test_what_the_engine_computed_counts_and_what_was_cached_does_not() -> None:
    limits(daily_tokens_members=1000)
    user = a_user()
    ended(user, prompt_tokens=500, cached_tokens=450, completion_tokens=100)
    ended(a_user(), completion_tokens=800)
    assert left(user) == 850


def test_yesterday_does_not_count_and_the_day_is_the_sites_own(settings: Any) -> None:
    settings.TIME_ZONE = "Pacific/Auckland"
    limits(daily_tokens_members=1000)
    user = a_user()
    midnight = start_of(today())
    assert midnight.strftime("%H:%M %z") in ("00:00 +1200", "00:00 +1300")
    for moment in (midnight - timedelta(seconds=1), midnight):
        request = ended(user, completion_tokens=300)
        GenerationRequest.objects.filter(pk=request.pk).update(ended_at=moment)
    quota = quota_today(user.pk, Group.MEMBERS)
    assert quota is not None and quota.left == 700
    assert quota.resets_at > midnight
    assert quota.resets_in_words.startswith("00:00 NZ")


def test_the_answer_is_capped_to_what_is_left() -> None:
    limits(daily_tokens_members=1000)
    user = a_user()
    ended(user, completion_tokens=900)
    request = a_request(user, params={"min_tokens": 500})
    assert request.params["max_tokens"] == request.params["min_tokens"] == 100
    assert a_request(a_user(), params={"max_tokens": 7}).params["max_tokens"] == 7


def test_when_nothing_is_left_the_refusal_says_how_much_and_until_when() -> None:
    limits(daily_tokens_members=1000)
    user = a_user()
    ended(user, completion_tokens=1234)
    refused = refusal(user)
    assert "1,234 of 1,000" in refused.detail and "00:00 UTC" in refused.detail
    assert refused.retry_after and 0 < refused.retry_after <= 24 * 3600
    assert left(user) == 0


def test_active_requests_hold_what_they_may_still_take_and_give_the_rest_back() -> None:
    limits(daily_tokens_members=1000)
    worker, user = a_worker(), a_user()
    first = a_request(user, text="x" * 100, params={"max_tokens": 400})
    second = a_request(user)  # of the prompt it is only known that it is short
    assert 400 < second.params["max_tokens"] < 500
    assert "on their way" in refusal(user).detail
    assert left(user) == 1000
    abort(str(second.public_id), user)
    (running,) = claim(worker, 0)
    checkpoint(worker, [progress_of(running, "x", 10)])
    assert a_request(user).params["max_tokens"] == 1000 - 400 - 3
    assert left(user) == 1000 - 10 - 3
    assert finish(worker, Ending(progress_of(running, "xy", 20), "stop")) is not None
    first.refresh_from_db()
    assert first.model == "m"
    assert left(user) == 1000 - 20 - 3


def test_a_limit_does_not_stop_other_people() -> None:
    limits(daily_tokens_members=10)
    user = a_user()
    ended(user, completion_tokens=10)
    refusal(user)
    a_request(a_user())
    assert a_request(user, group=Group.STAFF).params["max_tokens"] == 1000


@pytest.mark.django_db(transaction=True)
def test_several_submits_at_once_cannot_take_the_same_tokens() -> None:
    limits(daily_tokens_members=100_000, max_new_tokens=30_000)
    user = a_user()
    together = Barrier(8)

    def ask(number: int) -> int:
        try:
            together.wait()
            return int(a_request(user, text="hi").params["max_tokens"])
        except Refused as refused:
            assert refused.code == "quota"
            return 0
        finally:
            connections.close_all()

    with ThreadPoolExecutor(8) as pool:
        taken = sorted(pool.map(ask, range(8)), reverse=True)
    assert taken[:3] == [30_000] * 3
    assert 9_000 < taken[3] < 10_000
    assert sum(taken) <= 100_000
    rows = GenerationRequest.objects.filter(user=user)
    assert rows.count() == sum(1 for one in taken if one)


def test_a_prompt_that_no_worker_has_counted_is_held_with_a_token_for_each_byte() -> None:
    """As a tokenizer that knows no word of it would make: several for one character."""
    limits(daily_tokens_members=2000, max_new_tokens=10)
    user = a_user()
    a_request(user, text="😀" * 300)
    quota = quota_today(user.pk, Group.MEMBERS)
    assert quota is not None and quota.held >= 4 * 300
