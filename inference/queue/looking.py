"""Reads of single requests for their owners, and the sign that somebody still waits for them."""

from datetime import timedelta
from typing import Any

from inference import conf
from inference.errors import NotFound
from inference.models import GenerationRequest, as_public_id
from inference.queue.clock import database_now
from inference.queue.ordering import active_requests, waiting_requests

# Who may watch and steer may touch everybody's.
STEERS = ("inference.watch_queue", "inference.steer_queue")


def snapshot(public_id: str, user: Any) -> GenerationRequest:
    """The request with its text so far. Raises `NotFound` if it is absent or not the user's (or
    of somebody who may steer the queue).
    """
    return visible(GenerationRequest.objects.all(), public_id, user)


def visible(requests: Any, public_id: str, user: Any) -> GenerationRequest:
    """The request out of `requests`, if this person may touch it. Raises `NotFound`."""
    key = as_public_id(public_id)
    mine = requests.filter(public_id=key) if key else requests.none()
    if not (user.is_staff and user.has_perms(STEERS)):
        mine = mine.filter(user_id=user.pk)
    found: GenerationRequest | None = mine.first()
    if found is None:
        raise NotFound("There is no such request.")
    return found


def active_for_user(user_id: int) -> list[GenerationRequest]:
    """The user's waiting and running requests, oldest first."""
    return list(active_requests().filter(user_id=user_id).order_by("id"))


def keep_wanted(user_id: int) -> int:
    """Says that the user is still there; returns how many of their requests wait."""
    until = database_now() + timedelta(seconds=conf.WANTED_SECONDS)
    mine = waiting_requests().filter(user_id=user_id)
    return mine.update(wanted_until=until)
