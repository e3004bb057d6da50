"""Which worker answers a request, as far as a row still says."""

from inference.models import GenerationRequest, WorkerNode


def worker_of(request: GenerationRequest) -> WorkerNode | None:
    try:
        return request.worker
    except WorkerNode.DoesNotExist:  # its row was cleared away meanwhile
        return None


def model_of(request: GenerationRequest) -> str:
    """The model that answers; not the one that was asked for, which can be any text."""
    worker = worker_of(request)
    return "" if worker is None else worker.model
