"""What staff change by hand while the queue runs: who is next, the limits, who takes requests.

Everything is in the rows, where the next claim reads it; ring the doorbell after the commit, so
that it comes at once. Who may do so, and the log of it, is the caller's.
"""

from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from inference import signals
from inference.errors import NotFound, NotPossible
from inference.models import GenerationRequest, QueuePolicy, WorkerNode, as_public_id
from inference.queue.ordering import State, waiting_requests
from inference.queue.policy import locked_policy
from inference.queue.workers import live_workers

LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100
# As the column holds no more; whoever is moved to the front goes above everybody.
MAX_PRIORITY = 2**15 - 1


def move_to_front(public_id: str) -> GenerationRequest:
    """Above everybody who waits now. Raises `NotFound`, `NotPossible`."""
    with transaction.atomic():
        policy = locked_policy()
        request = _waiting(public_id)
        others = waiting_requests().exclude(pk=request.pk)
        highest = others.aggregate(highest=Max("priority"))["highest"]
        above = max(policy.top_priority, highest if highest is not None else 0)
        if request.priority <= above:
            _give_priority(request, min(above + 1, MAX_PRIORITY))
        return request


def set_priority(public_id: str, priority: int) -> GenerationRequest:
    """Higher goes first. Raises `NotFound`, `NotPossible`."""
    if not LOWEST_PRIORITY <= priority <= HIGHEST_PRIORITY:
        raise NotPossible(priority_sentence())
    with transaction.atomic():
        locked_policy()
        request = _waiting(public_id)
        _give_priority(request, priority)
        return request


def change_policy(**values: Any) -> QueuePolicy:
    """Sets these fields, checked by the caller, and leaves the others as they are by now."""
    with transaction.atomic():
        policy = locked_policy()
        for name, value in values.items():
            setattr(policy, name, value)
        policy.save(update_fields=list(values))
        signals.tell_policy_changed(policy)
        return policy


def let_worker_take(name: str, accepts: bool) -> WorkerNode:
    """Drains a worker, or ends that: what it runs goes on either way.

    Raises `NotFound`, and `NotPossible` for one that is gone.
    """
    with transaction.atomic():
        locked_policy()  # a claim that began before is over
        worker = WorkerNode.objects.filter(name=name).first()
        if worker is None:
            raise NotFound("There is no such worker.")
        if not live_workers().filter(pk=worker.pk).exists():
            raise NotPossible(_("This worker is gone; it takes nothing."))
        worker.accepts = accepts
        worker.save(update_fields=["accepts"])
        return worker


def priority_sentence() -> str:
    """For a priority that is out of bounds."""
    sentence = _("A priority must be between %(lowest)d and %(highest)d.")
    return sentence % {"lowest": LOWEST_PRIORITY, "highest": HIGHEST_PRIORITY}


def _give_priority(request: GenerationRequest, priority: int) -> None:
    request.priority = priority
    request.save(update_fields=["priority"])


def _waiting(public_id: str) -> GenerationRequest:
    key = as_public_id(public_id)
    rows = GenerationRequest.objects.select_for_update()
    found = rows.filter(public_id=key).first() if key else None
    if found is None:
        raise NotFound("There is no such request.")
    if found.state == State.RUNNING:
        raise NotPossible(_("This request runs already, so its place does not matter any more."))
    if found.is_over:
        raise NotPossible(_("This request is over already."))
    return found
