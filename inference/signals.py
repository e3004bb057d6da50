"""Signals for whoever builds on the queue; each is sent after the commit that it tells of.

Receivers get `request`, a `GenerationRequest`; those of `rejected` get `user_id` and `refused`, an
`inference.errors.Refused`; those of `policy_changed` get `policy`; those of `engine_died` get
`worker`. They run in the process and thread that did it: `queued`, `rejected` and `policy_changed`
in a web process, the others in a worker (`finished` in either), where a slow one holds up that
worker's database writes. One that raises is logged and hurts nobody.
"""

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from inference.errors import Refused
    from inference.models import GenerationRequest, QueuePolicy, WorkerNode

queued = Signal()
started = Signal()  # claimed by a worker: once per attempt
first_token = Signal()
finished = Signal()  # whatever the reason: `request.finish_reason` tells
rescued = Signal()  # taken back from a worker that died or lost it; may be ended by that
rejected = Signal()
engine_died = Signal()  # and what ran on it was handed back
policy_changed = Signal()


def after_commit(signal: Signal, request: "GenerationRequest") -> None:
    """Sends `signal` once the caller's transaction is committed; never if it is not."""
    transaction.on_commit(partial(signal.send_robust, type(request), request=request), robust=True)


def tell_engine_died(worker: "WorkerNode") -> None:
    """Sends `engine_died` once the caller's transaction is committed."""
    tell = partial(engine_died.send_robust, type(worker), worker=worker)
    transaction.on_commit(tell, robust=True)


def tell_policy_changed(policy: "QueuePolicy") -> None:
    """Sends `policy_changed` once the caller's transaction is committed."""
    tell = partial(policy_changed.send_robust, type(policy), policy=policy)
    transaction.on_commit(tell, robust=True)


def tell_rejected(user_id: int, refused: "Refused") -> None:
    """Sends `rejected`. Call it outside the transaction, which has stored nothing."""
    rejected.send_robust(None, user_id=user_id, refused=refused)
