"""The request queue: the only writer of request states.

For the web room: submit, abort, snapshot, active_for_user, keep_wanted, finished_event,
quota_today, and `usage` by name.
For the worker room: the modules of this package by name. Knows no sockets and no tokens' meaning;
every function is synchronous and one short transaction.
"""

from inference.errors import NotFound, Refused
from inference.models import finished_event
from inference.queue.aborting import abort
from inference.queue.looking import active_for_user, keep_wanted, snapshot
from inference.queue.owners import move_requests
from inference.queue.places import Place, places
from inference.queue.policy import Group
from inference.queue.quotas import Quota, quota_today
from inference.queue.submission import NewRequest, submit
from inference.queue.workers import models_on_offer, ready_workers
from inference.signals import policy_changed, tell_rejected

__all__ = [
    "Group",
    "NewRequest",
    "NotFound",
    "Place",
    "Quota",
    "Refused",
    "abort",
    "active_for_user",
    "finished_event",
    "keep_wanted",
    "models_on_offer",
    "move_requests",
    "places",
    "policy_changed",
    "quota_today",
    "ready_workers",
    "snapshot",
    "submit",
    "tell_rejected",
]
