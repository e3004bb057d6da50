"""Pruning: what goes, what stays counted, and that an interruption loses and doubles nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from io import StringIO
from threading import Event
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from inference import conf
from inference.database import WorkerDatabase
from inference.housekeeper import Housekeeper
from inference.models import GenerationRequest, QueueSample, UsageDay
from inference.queue import move_requests, pruning
from inference.queue.clock import database_now
from inference.queue.days import start_of, today
from inference.queue.usage import Period, Usage, total, usage_by
from inference.queue.usage_days import add_to_days
from tests.inference.build import a_policy, a_request, a_user
from tests.inference.scripted import RememberingPublisher

pytestmark = pytest.mark.django_db


def ended(user: Any, days_ago: float, count: int = 1, model: str = "m") -> None:
    """Requests that waited 2 s, with 10 prompt tokens, 4 of them cached, and 5 of an answer."""
    end = database_now() - timedelta(days=days_ago)
    GenerationRequest.objects.bulk_create(
        GenerationRequest(
            user=user,
            state="finished",
            finish_reason="stop",
            group="members",
            model=model,
            messages=[],
            params={},
            reply_group="",
            prompt_tokens=10,
            cached_tokens=4,
            completion_tokens=5,
            submitted_at=end - timedelta(seconds=5),
            claimed_at=end - timedelta(seconds=3),
            ended_at=end,
        )
        for _ in range(count)
    )


def used(days: int = 400) -> Usage:
    return total(usage_by("user_id", Period.of_last(days)).values())


def command(*words: str) -> str:
    out = StringIO()
    call_command("prune", *words, stdout=out)
    return out.getvalue()


def rounded(usage: Usage) -> tuple[int, ...]:
    return (
        usage.requests,
        usage.prompt_tokens,
        usage.cached_tokens,
        usage.completion_tokens,
        round(usage.queue_seconds),
    )


def test_only_old_ended_requests_go_and_usage_stays_the_same(settings: Any) -> None:
    settings.INFERENCE_KEEP_REQUESTS_DAYS = 30
    a_policy()
    user, other = a_user(), a_user()
    ended(user, 100, 3)
    ended(user, 100, 1, model="n")
    ended(other, 40, 2)
    ended(user, 10)
    waiting = a_request(user)
    GenerationRequest.objects.update(submitted_at=database_now() - timedelta(days=200))
    GenerationRequest.objects.update(claimed_at=None)
    before = used()
    assert command("--dry-run") == "Would delete 6 requests that ended over 30 days ago.\n"
    assert GenerationRequest.objects.count() == 8
    assert command() == "Deleted 6 requests that ended over 30 days ago.\n"
    assert GenerationRequest.objects.count() == 2
    assert GenerationRequest.objects.filter(pk=waiting.pk).exists()
    assert rounded(used()) == rounded(before)
    assert sorted(UsageDay.objects.values_list("user_id", "model", "requests")) == [
        (user.pk, "m", 3),
        (user.pk, "n", 1),
        (other.pk, "m", 2),
    ]
    assert command() == "Deleted 0 requests that ended over 30 days ago.\n"


def test_an_interruption_between_or_in_batches_counts_everything_exactly_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pruning, "BATCH", 3)
    user = a_user()
    ended(user, 100, 10)
    before = rounded(used())
    assert before == (10, 100, 40, 50, 20)
    batches = pruning.prune(30)
    assert next(batches) == 3
    batches.close()  # killed between two batches
    assert (GenerationRequest.objects.count(), rounded(used())) == (7, before)

    with monkeypatch.context() as patch:  # killed after it was added, before it was deleted
        patch.setattr(pruning, "add_to_days", _then_fail(add_to_days))
        with pytest.raises(KeyboardInterrupt):
            list(pruning.prune(30))
    assert (GenerationRequest.objects.count(), rounded(used())) == (7, before)
    assert list(pruning.prune(30)) == [3, 3, 1]
    assert (GenerationRequest.objects.count(), rounded(used())) == (0, before)


def _then_fail(add: Any) -> Any:
    def added(sums: Any) -> None:
        add(sums)
        raise KeyboardInterrupt

    return added


def test_days_of_the_command_go_before_the_setting_and_0_keeps_everything(settings: Any) -> None:
    ended(a_user(), 100)
    settings.INFERENCE_KEEP_REQUESTS_DAYS = 0
    assert "for ever" in command()
    assert "for ever" in command("--days", "0")
    assert GenerationRequest.objects.count() == 1
    assert "Deleted 1 " in command("--days", "99")
    with pytest.raises(CommandError, match="1 or more"):
        command("--days", "-1")


def test_whole_days_are_pruned_and_todays_never() -> None:
    user = a_user()
    ended(user, 0, 2)
    first, second = GenerationRequest.objects.all()
    for row, moment in (
        (first, start_of(today())),
        (second, start_of(today() - timedelta(days=1)) - timedelta(seconds=1)),
    ):
        GenerationRequest.objects.filter(pk=row.pk).update(ended_at=moment)
    list(pruning.prune(1))
    assert list(GenerationRequest.objects.values_list("pk", flat=True)) == [first.pk]
    assert UsageDay.objects.get().day == today() - timedelta(days=2)


def a_sample(days_ago: float) -> QueueSample:
    return QueueSample.objects.create(
        at=database_now() - timedelta(days=days_ago),
        waiting=0,
        running=0,
        places=0,
        tokens_per_s=0,
    )


def test_samples_of_the_queue_go_after_a_week() -> None:
    a_sample(8)
    young = a_sample(6)
    command("--days", "30")
    assert list(QueueSample.objects.all()) == [young]


@pytest.mark.django_db(transaction=True)
async def test_the_worker_on_duty_prunes_a_little_each_time_while_more_is_due(
    monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.INFERENCE_KEEP_REQUESTS_DAYS = 30
    monkeypatch.setattr(conf, "PRUNE_AT_ONCE", 2)
    monkeypatch.setattr(conf, "PRUNE_GAP_SECONDS", 0.0)
    await sync_to_async(lambda: ended(a_user(), 100, 3))()
    database = WorkerDatabase()
    keeper = Housekeeper(database, RememberingPublisher())
    counts = [await _left_after(keeper)]  # not on duty
    await keeper.take_duty("a")
    counts += [await _left_after(keeper) for _ in range(2)]
    await sync_to_async(lambda: ended(a_user(), 100, 1))()
    counts.append(await _left_after(keeper))  # in an hour
    await database.close()
    assert counts == [3, 1, 0, 1]


async def _left_after(keeper: Housekeeper) -> int:
    await keeper.prune()
    return await GenerationRequest.objects.acount()


def test_a_guest_takes_what_was_pruned_along_into_an_account() -> None:
    guest, account = a_user(), a_user()
    for user in (guest, account):
        ended(user, 100, 2)
    ended(guest, 50)
    list(pruning.prune(30))
    ended(guest, 1)
    before = rounded(used())
    move_requests(guest.pk, account.pk, "user.1")
    get_user_model().objects.filter(pk=guest.pk).delete()
    assert rounded(used()) == before
    by_day = usage_by("day", Period.of_last(400), account.pk)
    assert {day: one.requests for day, one in by_day.items()} == {
        _day(100): 4,
        _day(50): 1,
        _day(1): 1,
    }


def _day(ago: int) -> date:
    return today() - timedelta(days=ago)


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif("connection.vendor == 'sqlite'", reason="SQLite has one lock for all")
def test_people_who_are_being_worked_with_are_left_for_the_next_time() -> None:
    busy, idle = a_user(), a_user()
    ended(busy, 100)
    ended(idle, 100)
    locked, done = Event(), Event()

    def hold() -> None:
        with transaction.atomic():
            list(get_user_model().objects.select_for_update().filter(pk=busy.pk))
            locked.set()
            done.wait(20)
        connection.close()

    with ThreadPoolExecutor(1) as beside:
        beside.submit(hold)
        assert locked.wait(10)
        assert sum(pruning.prune(90)) == 1
        done.set()
    assert GenerationRequest.objects.get().user == busy
    assert sum(pruning.prune(90)) == 1
