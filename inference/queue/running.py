"""What a worker writes about the requests it runs; every write counts only while it holds the
lease.

A lease is (worker, attempt): once somebody else has claimed the request, the attempt has grown and
nothing that the old worker still says can land.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from inference import conf, signals
from inference.models import GenerationRequest, WorkerNode
from inference.queue.clock import database_now
from inference.queue.ending import end
from inference.queue.ordering import State, running_requests
from inference.queue.poison import end_if_poison, engine_died_on
from inference.queue.policy import current_policy


@dataclass(frozen=True)
class Progress:
    """How far a running request has come. Times are the database's; `first_token_at` once there is
    text.
    """

    key: int
    attempt: int
    text: str
    token_ids: list[int]
    prompt_tokens: int
    cached_tokens: int
    truncated: bool
    first_token_at: datetime | None
    slot: int | None = None


@dataclass(frozen=True)
class Ending:
    """How a request ended: `reason` as in protocol §5; `code` and `detail` for failures."""

    progress: Progress
    reason: str
    code: str = ""
    detail: str = ""


def checkpoint(worker: WorkerNode, running: Iterable[Progress]) -> None:
    """Stores the text so far of what changed since the last checkpoint, in one transaction."""
    with transaction.atomic():
        for progress in sorted(running, key=lambda one: one.key):
            held = _held(worker, progress)
            if held is not None:
                _apply(held, progress)
                held.save(update_fields=_PROGRESS_FIELDS)


def renew_leases(worker: WorkerNode, keys: Collection[int]) -> dict[int, str]:
    """Keeps the leases on `keys`, which the worker says that it runs.

    Rows that are its own without its knowledge (it heard no answer to its claim, say) are not among
    them: their leases run out, and somebody takes them over.

    Returns the keys that it still holds, each with the group that replies go to: a guest who signs
    up in the middle of an answer takes it along.
    """
    until = database_now() + timedelta(seconds=conf.LEASE_SECONDS)
    with transaction.atomic():
        # By id, like everybody who locks several.
        held = _all_held(worker).filter(pk__in=keys)
        groups = dict(held.values_list("id", "reply_group"))
        running_requests().filter(pk__in=groups).update(lease_until=until)
    return groups


def abort_flags(worker: WorkerNode) -> set[int]:
    """Keys of the worker's requests that somebody wants ended; the doorbell may have been lost."""
    flagged = running_requests().filter(worker=worker, abort_requested=True)
    return set(flagged.values_list("id", flat=True))


def overdue(worker: WorkerNode) -> set[int]:
    """Keys of the worker's requests that it has run for longer than the policy allows."""
    limit = current_policy().max_running_seconds
    if not limit:
        return set()
    latest = database_now() - timedelta(seconds=limit)
    late = running_requests().filter(worker=worker, running_since__lt=latest)
    return set(late.values_list("id", flat=True))


def deadline_sentence() -> str:
    """What a person reads under an answer that was cut off at the deadline."""
    return _("The time for one answer was over, so it ends here.")


def finish(worker: WorkerNode, ending: Ending) -> GenerationRequest | None:
    """Ends a request with its whole text. None if the worker lost it: then say nothing."""
    with transaction.atomic():
        held = _held(worker, ending.progress)
        if held is None:
            return None
        _apply(held, ending.progress)
        end(held, ending.reason, ending.code, ending.detail)
        return held


def hand_back(
    worker: WorkerNode,
    running: Iterable[Progress],
    keys: Iterable[int] | None = None,
    engine_died: bool = False,
) -> list[GenerationRequest]:
    """Returns what the worker holds (or of it only `keys`) to the queue; these rows.

    `running` is what its engine really had, with the newest text, from which the next worker
    continues. Where the engine died, nothing else is to blame.
    """
    newest = {progress.key: progress for progress in running}
    with transaction.atomic():
        rows = _all_held(worker) if keys is None else _all_held(worker).filter(pk__in=list(keys))
        held = list(rows)
        for request in held:
            progress = newest.get(request.pk)
            if progress is not None and progress.attempt == request.attempt:
                _apply(request, progress)
        if engine_died:
            engine_died_on([request for request in held if request.pk in newest])
            signals.tell_engine_died(worker)
        for request in held:
            release(request)
        return held


def release(request: GenerationRequest) -> None:
    """running → waiting, or to an end that was asked for or is due; caller's transaction."""
    if request.abort_requested:
        end(request, "aborted")
        return
    if end_if_poison(request):
        return
    request.move_to(State.WAITING)
    request.worker = None
    request.lease_until = None
    request.running_since = None
    request.slot = None
    # An answer that has begun goes on, whether or not somebody watches.
    request.wanted_until = None
    request.save()


_PROGRESS_FIELDS = [
    "output_text",
    "output_token_ids",
    "prompt_tokens",
    "cached_tokens",
    "completion_tokens",
    "truncated",
    "first_token_at",
    "slot",
]


def _all_held(worker: WorkerNode) -> QuerySet[GenerationRequest]:
    return running_requests().select_for_update().filter(worker=worker).order_by("id")


def _held(worker: WorkerNode, progress: Progress) -> GenerationRequest | None:
    held = _all_held(worker).filter(pk=progress.key, attempt=progress.attempt).first()
    if held is not None:
        held.worker = worker  # known already: whoever hears of the request need not look it up
    return held


def _apply(request: GenerationRequest, progress: Progress) -> None:
    request.output_text = progress.text
    request.output_token_ids = progress.token_ids
    request.completion_tokens = len(progress.token_ids)
    request.prompt_tokens = progress.prompt_tokens
    request.cached_tokens = progress.cached_tokens
    request.slot = progress.slot
    request.truncated = request.truncated or progress.truncated
    if request.first_token_at is None and progress.first_token_at is not None:
        request.first_token_at = progress.first_token_at
        signals.after_commit(signals.first_token, request)
