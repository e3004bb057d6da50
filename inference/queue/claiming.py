"""Hands waiting requests to a worker with free places."""

from collections import Counter
from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction

from inference import conf
from inference.models import GenerationRequest, QueuePolicy, WorkerNode
from inference.queue.clock import database_now
from inference.queue.ordering import State, waiting_in_order
from inference.queue.policy import locked_policy


def claim(worker: WorkerNode, held: int) -> list[GenerationRequest]:
    """Takes the next requests for the places that `worker`, holding `held` requests, has free."""
    with transaction.atomic():
        policy = locked_policy()
        free = min(policy.max_running, worker.slots) - held
        if policy.paused or free <= 0:
            return []
        chosen = _next(policy, worker.model, free)
        now = database_now()
        for request in chosen:
            _give(request, worker, now + timedelta(seconds=conf.LEASE_SECONDS))
            request.claimed_at = request.claimed_at or now
            request.save()
        return chosen


def _next(policy: QueuePolicy, model: str, free: int) -> list[GenerationRequest]:
    """The first `free` requests in order, passing over users who already run their share."""
    running = _running_per_user() if policy.max_running_per_user else Counter[int]()
    chosen: list[int] = []
    for key, user_id in _candidates(policy, model):
        if policy.max_running_per_user and running[user_id] >= policy.max_running_per_user:
            continue
        running[user_id] += 1
        chosen.append(key)
        if len(chosen) == free:
            break
    found = GenerationRequest.objects.select_for_update().in_bulk(chosen)
    return [found[key] for key in chosen if found[key].state == State.WAITING]


def _candidates(policy: QueuePolicy, model: str) -> Iterable[tuple[int, int]]:
    return waiting_in_order(policy, model).values_list("id", "user_id").iterator(chunk_size=200)


def _running_per_user() -> Counter[int]:
    running = GenerationRequest.objects.filter(state=State.RUNNING)
    return Counter(running.values_list("user_id", flat=True))


def _give(request: GenerationRequest, worker: WorkerNode, lease_until: object) -> None:
    request.move_to(State.RUNNING)
    request.worker = worker
    request.attempt += 1
    request.lease_until = lease_until  # type: ignore[assignment]
