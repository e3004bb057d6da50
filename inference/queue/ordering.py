"""The one place that says who is next."""

from django.db.models import QuerySet

from inference.models import GenerationRequest, QueuePolicy

State = GenerationRequest.State
ACTIVE = (State.WAITING, State.RUNNING)


def waiting_in_order(policy: QueuePolicy, model: str | None = None) -> QuerySet[GenerationRequest]:
    """Waiting requests, the next one first; for a worker's model, or all."""
    del policy  # `fifo` is the only order yet; the policy's field names it.
    waiting = GenerationRequest.objects.filter(state=State.WAITING)
    if model is not None:
        waiting = waiting.filter(model__in=["", model])
    return waiting.order_by("-priority", "id")
