"""Writes the answer of an ended request into its chat message. Knows no queue and no socket."""

from typing import TYPE_CHECKING

from chatsite.chat.models import Message

if TYPE_CHECKING:
    from inference.models import GenerationRequest


def record_ended(request: "GenerationRequest") -> None:
    """Called inside the transaction that ends the request. Idempotent; revives nothing deleted."""
    message_id = request.context.get("message")
    if not message_id:
        return  # the request of a caller that keeps no conversation
    # request_id in the filter: a request can only ever write the answer that it was made for.
    Message.objects.filter(pk=message_id, request_id=request.public_id).update(
        state=Message.State.COMPLETE,
        text=request.output_text,
        finish_reason=request.finish_reason,
        code=request.code,
        detail=request.detail,
        truncated=request.truncated,
        usage=request.usage(),
        timings=request.timings(),
    )
