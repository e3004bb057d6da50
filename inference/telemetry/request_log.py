"""One line in the log for each step of a request: ids, counts and times, never what was said.

The logger is `inference.requests`. A record's `fields` are what a structured log shows by name
(`chatsite.logs`).
"""

import logging
from typing import Any

from inference import signals
from inference.errors import Refused
from inference.models import GenerationRequest
from inference.telemetry.answering import worker_of

logger = logging.getLogger("inference.requests")


def connect() -> None:
    """Logs from here on; once per process."""
    signals.queued.connect(_queued)
    signals.started.connect(_started)
    signals.first_token.connect(_first_token)
    signals.finished.connect(_finished)
    signals.rejected.connect(_rejected)
    signals.rescued.connect(_rescued)


def _queued(request: GenerationRequest, **_: Any) -> None:
    _log("queued", request)


def _started(request: GenerationRequest, **_: Any) -> None:
    queue_s = request.timings()["queue_s"]
    _log("started", request, **_where(request), queue_s=queue_s)


def _first_token(request: GenerationRequest, **_: Any) -> None:
    _log("first token", request, **_where(request), ttft_s=request.timings()["ttft_s"])


def _finished(request: GenerationRequest, **_: Any) -> None:
    ending = {"reason": request.finish_reason, "code": request.code}
    _log("finished", request, **_where(request), **ending, **request.usage(), **request.timings())


def _rescued(request: GenerationRequest, **_: Any) -> None:
    _log("rescued", request, attempt=request.attempt, completion_tokens=request.completion_tokens)


def _rejected(user_id: int, refused: Refused, **_: Any) -> None:
    fields = {"event": "rejected", "user": user_id, "code": refused.code}
    logger.info("A request was rejected", extra={"fields": fields})


def _where(request: GenerationRequest) -> dict[str, Any]:
    worker = worker_of(request)
    if worker is None:
        return {}
    return {"model": worker.model, "worker": worker.name, "attempt": request.attempt}


def _log(event: str, request: GenerationRequest, **more: Any) -> None:
    name = str(request.public_id)
    known = {"event": event, "request": name, "user": request.user_id, "group": request.group}
    given = {key: value for key, value in more.items() if value not in ("", None)}
    logger.info("Request %s: %s", name, event, extra={"fields": {**known, **given}})
