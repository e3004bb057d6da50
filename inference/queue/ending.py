"""Ends a request: one transaction that writes the row and, through the recorder, whatever keeps its
text.
"""

from inference import conf, signals
from inference.models import GenerationRequest
from inference.queue.clock import database_now

State = GenerationRequest.State

STATE_OF_REASON = {
    "stop": State.FINISHED,
    "length": State.FINISHED,
    "aborted": State.ABORTED,
    "failed": State.FAILED,
}


def end(request: GenerationRequest, reason: str, code: str = "", detail: str = "") -> None:
    """Moves to the last state, saves and records it, in the caller's transaction."""
    request.move_to(STATE_OF_REASON[reason])
    if not request.model and request.worker is not None:
        request.model = request.worker.model  # who asked for any: the one that answered
    request.finish_reason = reason
    request.code = code
    request.detail = detail
    request.ended_at = database_now()
    request.lease_until = None
    request.save()
    conf.recorder()(request)
    signals.after_commit(signals.finished, request)
