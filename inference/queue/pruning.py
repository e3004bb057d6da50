"""Deletes what is too old to keep: ended requests, and samples of the queue.

What a request used is added to `UsageDay` in the transaction that deletes it, so usage loses and
doubles nothing, wherever this is interrupted. Batches are small: the site goes on meanwhile.
"""

from collections import defaultdict
from collections.abc import Generator
from datetime import datetime, timedelta

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import QuerySet

from inference import conf
from inference.models import GenerationRequest, QueueSample
from inference.queue.clock import database_now
from inference.queue.days import day_of, start_of, today
from inference.queue.usage import Usage
from inference.queue.usage_days import DayKey, add_to_days

BATCH = 1000
# A century: longer than any calendar here reaches back.
LONGEST_DAYS = 36_500


def prune(days: int) -> Generator[int, None, None]:
    """Deletes all that is older than this many days, and says after each batch how many it were.

    What somebody else works with right now is left for the next time.
    """
    oldest = _oldest_kept(days)
    while deleted := _prune_batch(oldest, BATCH):
        yield deleted
    prune_samples()


def prune_a_little() -> bool:
    """One small batch by the settings, for the housekeeper; True when there may be more."""
    days = conf.keep_requests_days()
    prune_samples()
    if not days:
        return False
    return _prune_batch(_oldest_kept(days), conf.PRUNE_AT_ONCE) == conf.PRUNE_AT_ONCE


def prunable(days: int) -> QuerySet[GenerationRequest]:
    """Ended requests that are older than this many days."""
    return _ended_before(_oldest_kept(days))


def prune_samples() -> int:
    oldest = database_now() - timedelta(days=conf.KEEP_SAMPLES_DAYS)
    return QueueSample.objects.filter(at__lt=oldest).delete()[0]


def _oldest_kept(days: int) -> datetime:
    # Whole days only: today's rows, of which quotas tell, are never among them.
    return start_of(today() - timedelta(days=min(days, LONGEST_DAYS)))


def _ended_before(moment: datetime) -> QuerySet[GenerationRequest]:
    # Not null: the condition of the index.
    return GenerationRequest.objects.filter(ended_at__isnull=False, ended_at__lt=moment)


@transaction.atomic
def _prune_batch(oldest: datetime, size: int) -> int:
    found = _ended_before(oldest).order_by("ended_at").values_list("id", "user_id")[:size]
    users = dict(found)
    # People before their requests, as where a guest becomes an account holder; waiting for none,
    # as the worker's leases wait for this.
    people = get_user_model().objects.select_for_update(no_key=True, skip_locked=True)
    held = list(people.filter(pk__in=set(users.values())).values_list("pk", flat=True))
    requests = GenerationRequest.objects.select_for_update(skip_locked=True)
    chosen = requests.filter(pk__in=users, user_id__in=held)
    rows = list(chosen.order_by("id").only(*_READ))
    sums: dict[DayKey, Usage] = defaultdict(Usage)
    for row in rows:
        sums[_key(row)] += Usage.of_request(row)
    add_to_days(sums)
    GenerationRequest.objects.filter(pk__in=[row.pk for row in rows]).delete()
    return len(rows)


def _key(row: GenerationRequest) -> DayKey:
    assert row.ended_at is not None
    return DayKey(row.user_id, day_of(row.ended_at), row.model, row.group)


_READ = [
    "id",
    "user_id",
    "model",
    "group",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "submitted_at",
    "claimed_at",
    "ended_at",
]
