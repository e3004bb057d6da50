"""Counts what the queue tells of. Each event is told in one process, so it is counted once."""

from typing import Any

from inference import signals
from inference.errors import Refused
from inference.metrics import seconds_between
from inference.models import GenerationRequest, WorkerNode
from inference.telemetry import definitions as metrics
from inference.telemetry.answering import model_of
from inference.telemetry.counting import count, observe


def connect() -> None:
    """Hears from here on; once per process."""
    signals.queued.connect(_queued)
    signals.started.connect(_started)
    signals.first_token.connect(_first_token)
    signals.finished.connect(_finished)
    signals.rejected.connect(_rejected)
    signals.rescued.connect(_rescued)
    signals.engine_died.connect(_engine_died)


def _queued(request: GenerationRequest, **_: Any) -> None:
    count(metrics.SUBMITTED, group=request.group)


def _started(request: GenerationRequest, **_: Any) -> None:
    if request.attempt == 1:
        waited = seconds_between(request.submitted_at, request.claimed_at)
        labels = {"model_name": model_of(request), "group": request.group}
        observe(metrics.QUEUE_TIME, waited, **labels)


def _first_token(request: GenerationRequest, **_: Any) -> None:
    model, first = model_of(request), request.first_token_at
    to_first = seconds_between(request.submitted_at, first)
    observe(metrics.TIME_TO_FIRST_TOKEN, to_first, model_name=model)
    observe(metrics.PREFILL_TIME, seconds_between(request.claimed_at, first), model_name=model)


def _finished(request: GenerationRequest, **_: Any) -> None:
    model = model_of(request)
    count(metrics.ENDED, model_name=model, finished_reason=request.finish_reason)
    if request.claimed_at is None:
        return
    count(metrics.PROMPT_TOKENS, request.prompt_tokens, model_name=model)
    count(metrics.CACHED_TOKENS, request.cached_tokens, model_name=model)
    count(metrics.GENERATION_TOKENS, request.completion_tokens, model_name=model)
    observe(metrics.PROMPT_LENGTH, request.prompt_tokens, model_name=model)
    observe(metrics.ANSWER_LENGTH, request.completion_tokens, model_name=model)
    latency = seconds_between(request.submitted_at, request.ended_at)
    observe(metrics.LATENCY, latency, model_name=model)
    decode = seconds_between(request.first_token_at, request.ended_at)
    observe(metrics.DECODE_TIME, decode, model_name=model)
    if decode is not None and request.completion_tokens > 1:
        per_token = decode / (request.completion_tokens - 1)
        observe(metrics.TIME_PER_TOKEN, per_token, model_name=model)


def _rejected(refused: Refused, **_: Any) -> None:
    count(metrics.REJECTED, reason=refused.code)


def _rescued(**_: Any) -> None:
    count(metrics.RESCUES)


def _engine_died(worker: WorkerNode, **_: Any) -> None:
    count(metrics.ENGINE_DEATHS, model_name=worker.model)
