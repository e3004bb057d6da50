"""Rows for the queue's tests, made through the queue's own functions."""

import itertools
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model

from inference.liveness import ProcessIdentity
from inference.models import GenerationRequest, QueuePolicy, WorkerNode
from inference.queue import NewRequest, submit, workers
from inference.queue.clock import database_now
from inference.queue.ordering import running_requests
from inference.queue.policy import current_policy
from inference.queue.rescue import rescue
from inference.queue.running import Progress

_numbers = itertools.count(1)


def a_user(**fields: Any) -> Any:
    fields.setdefault("username", f"person-{next(_numbers)}")
    return get_user_model().objects.create(**fields)


def a_policy(**fields: Any) -> QueuePolicy:
    """The policy row with these values; per-user bounds are off unless given."""
    current_policy()
    values = {"max_running_per_user": 0, "max_waiting_per_user": 0, **fields}
    QueuePolicy.objects.filter(pk=1).update(**values)
    return current_policy()


def a_worker(slots: int = 8, state: str = "ready", model: str = "m", **fields: Any) -> WorkerNode:
    worker = workers.register(f"worker-{next(_numbers)}", "host", ProcessIdentity("", 1, 0))
    workers.report(worker, state=state, slots=slots, model=model, **fields)
    return worker


def a_request(user: Any = None, text: str = "hello", **fields: Any) -> GenerationRequest:
    """Submitted like any other; raises `Refused` like any other."""
    user = user or a_user()
    new = NewRequest(
        user_id=user.pk,
        model=fields.pop("model", ""),
        messages=fields.pop("messages", [{"role": "user", "content": text}]),
        params=fields.pop("params", {}),
        reply_group=f"user.{user.pk}",
        **fields,
    )
    return submit(new)


def progress_of(request: GenerationRequest, text: str = "", tokens: int = 0) -> Progress:
    return Progress(
        key=request.pk,
        attempt=request.attempt,
        text=text,
        token_ids=list(range(tokens)),
        prompt_tokens=3,
        cached_tokens=0,
        truncated=False,
        first_token_at=database_now() if text else None,
    )


def age_lease(request: GenerationRequest, seconds: float = 60.0) -> None:
    """As if its worker had not been heard of for long."""
    GenerationRequest.objects.filter(pk=request.pk).update(
        lease_until=database_now() - timedelta(seconds=seconds)
    )


def vanish(worker: WorkerNode) -> list[GenerationRequest]:
    """The worker is not heard of for longer than its leases; what is rescued. It may come back."""
    long_ago = database_now() - timedelta(minutes=1)
    WorkerNode.objects.filter(pk=worker.pk).update(heartbeat_at=long_ago)
    for request in running_requests().filter(worker=worker):
        age_lease(request)
    rescued = rescue()
    workers.report(worker)
    return rescued


def as_stored(request: GenerationRequest) -> Progress:
    """What a worker that made nothing since would say of it."""
    return progress_of(request, request.output_text, request.completion_tokens)
