"""Brings back what a dead worker left, and drops what nobody waits for any more."""

from django.db import transaction

from inference.models import GenerationRequest
from inference.queue.clock import database_now
from inference.queue.ending import end
from inference.queue.ordering import State
from inference.queue.running import release


def rescue() -> list[GenerationRequest]:
    """Requests whose lease ran out, back in the queue with their text (or ended, if that was
    wanted).
    """
    with transaction.atomic():
        lost = GenerationRequest.objects.select_for_update().filter(
            state=State.RUNNING, lease_until__lt=database_now()
        )
        rescued = list(lost.order_by("id"))
        for request in rescued:
            release(request)
        return rescued


def expire() -> list[GenerationRequest]:
    """Waiting requests whose person has gone, ended."""
    with transaction.atomic():
        unwanted = GenerationRequest.objects.select_for_update().filter(
            state=State.WAITING, wanted_until__lt=database_now()
        )
        expired = list(unwanted.order_by("id"))
        for request in expired:
            end(request, "aborted", "expired", "Nobody was waiting for this answer any more.")
        return expired
