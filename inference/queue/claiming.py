"""Hands waiting requests to a worker with free places."""

from datetime import datetime, timedelta

from django.db import connection, transaction

from inference import conf, signals
from inference.models import GenerationRequest, WorkerNode
from inference.queue.clock import database_now
from inference.queue.ordering import Standing, State, waiting_in_order
from inference.queue.policy import locked_policy

# In SQL of our own: every claim asks it, and building it would take longer than the answer.
_MAY_TAKE = """
SELECT accepts AND NOT EXISTS (
    SELECT 1 FROM inference_generationrequest
    WHERE worker_id = worker.id AND lease_until IS NOT NULL AND suspect
) FROM inference_workernode AS worker WHERE id = %s
"""


def claim(worker: WorkerNode, held: int) -> list[GenerationRequest]:
    """Takes the next requests for the places that `worker`, holding `held` requests, has free."""
    with transaction.atomic():
        policy = locked_policy()
        free = min(policy.max_running, worker.slots) - held
        if policy.paused or free <= 0 or not _may_take(worker):
            return []
        standings = waiting_in_order(policy, worker.model, free)
        chosen = _still_waiting(_fitting(standings, held))
        now = database_now() if chosen else None
        for request in chosen:
            _give(request, worker, now)  # type: ignore[arg-type]
        return chosen


def _may_take(worker: WorkerNode) -> bool:
    """Not while staff drain it, nor while it runs a suspect."""
    with connection.cursor() as cursor:
        cursor.execute(_MAY_TAKE, [worker.pk])
        row = cursor.fetchone()
    return bool(row and row[0])


def _fitting(standings: list[Standing], held: int) -> list[int]:
    """Keys up to the first suspect, which has to wait until this worker holds nothing.

    Nothing goes past it here, so that a stream of others cannot keep it waiting for ever.
    """
    chosen: list[int] = []
    for standing in standings:
        if standing.passed_over:
            break
        if not standing.suspect:
            chosen.append(standing.key)
            continue
        return chosen if chosen or held else [standing.key]
    return chosen


def _still_waiting(keys: list[int]) -> list[GenerationRequest]:
    # Aborts do not take the policy lock, so one may have come in between.
    # By id, like everybody who locks several, so that two of them never wait for each other.
    rows = GenerationRequest.objects.select_for_update().filter(pk__in=keys).order_by("id")
    found = {row.pk: row for row in rows}
    return [found[key] for key in keys if key in found and found[key].state == State.WAITING]


def _give(request: GenerationRequest, worker: WorkerNode, now: datetime) -> None:
    request.move_to(State.RUNNING)
    request.worker = worker
    request.attempt += 1
    request.lease_until = now + timedelta(seconds=conf.LEASE_SECONDS)
    request.claimed_at = request.claimed_at or now
    request.running_since = now
    request.tokens_at_claim = request.completion_tokens
    _translate(request, worker)
    request.save(update_fields=_CLAIM_FIELDS)
    signals.after_commit(signals.started, request)


def _translate(request: GenerationRequest, worker: WorkerNode) -> None:
    """Token ids of another model mean nothing to this one: it goes on from the text alone.

    A row without a vocabulary is of a version that knew none; that one did not look at all.
    """
    if request.vocabulary not in ("", worker.vocabulary):
        request.output_token_ids = []
        request.completion_tokens = request.tokens_at_claim = 0
    request.vocabulary = worker.vocabulary


_CLAIM_FIELDS = [
    "state",
    "worker",
    "attempt",
    "lease_until",
    "claimed_at",
    "running_since",
    "tokens_at_claim",
    "output_token_ids",
    "completion_tokens",
    "vocabulary",
]
