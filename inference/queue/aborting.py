"""Aborts: at once while waiting; while running, a flag that the lease holder acts on."""

from typing import Any

from django.db import transaction

from inference.models import GenerationRequest
from inference.queue.ending import end
from inference.queue.looking import visible
from inference.queue.ordering import State


def abort(public_id: str, user: Any) -> GenerationRequest:
    """The request after the abort; harmless when repeated.

    Only its owner may, and staff who may steer the queue; for others `NotFound`.
    """
    with transaction.atomic():
        request = visible(GenerationRequest.objects.select_for_update(), public_id, user)
        if request.is_over:
            return request
        request.abort_requested = True
        if request.state == State.WAITING:
            end(request, "aborted")
        else:
            request.save(update_fields=["abort_requested"])
        return request
