"""What travels between processes over the channel layer, and nothing else.

Control messages ring a doorbell: the row in the database is the truth, so one that is lost or
arrives twice does no harm. Reply events go to the group that the request names; each carries the
request's `context` as it was submitted, without knowing what is in it.
"""

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

INFERENCE_CHANNEL = "inference"

Context = dict[str, Any]


def doorbell_submitted(request: str) -> dict[str, Any]:
    """For `INFERENCE_CHANNEL`: a request waits."""
    return {"type": "request.submitted", "request": request}


def doorbell_abort(request: str) -> dict[str, Any]:
    """For `INFERENCE_CHANNEL`: a person wants this request ended."""
    return {"type": "request.abort", "request": request}


def doorbell_changed() -> dict[str, Any]:
    """For `INFERENCE_CHANNEL`: staff changed what decides who may start."""
    return {"type": "queue.changed"}


@dataclass(frozen=True)
class ReplyEvent:
    """One event for a reply group; `type` is the event's name on every wire."""

    type: ClassVar[str]

    request: str

    def to_dict(self) -> dict[str, Any]:
        """A flat message: the context's keys stand beside the event's own."""
        fields = {name: value for name, value in asdict(self).items() if value is not None}
        context = fields.pop("context", {})
        return {"type": self.type, **context, **fields}


@dataclass(frozen=True)
class RequestWaiting(ReplyEvent):
    """The request's place; `position` 1 is next. `eta_seconds`: (low, high), None if unknown."""

    type: ClassVar[str] = "request.waiting"

    position: int
    waiting: int
    eta_seconds: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"type": self.type, **asdict(self)}


@dataclass(frozen=True)
class RequestRunning(ReplyEvent):
    """A worker has the request. `attempt` grows when another worker continues it."""

    type: ClassVar[str] = "request.running"

    attempt: int


@dataclass(frozen=True)
class MessageDelta(ReplyEvent):
    """New text. `offset` counts the code points of the answer before it."""

    type: ClassVar[str] = "message.delta"

    attempt: int
    offset: int
    text: str
    context: Context = field(default_factory=dict)


@dataclass(frozen=True)
class MessageFinished(ReplyEvent):
    """The answer is over. `length` is its code points, so that a reader knows whether it has them
    all.
    """

    type: ClassVar[str] = "message.finished"

    length: int
    finish_reason: str
    truncated: bool
    usage: dict[str, int]
    timings: dict[str, float | None]
    code: str | None = None
    detail: str | None = None
    context: Context = field(default_factory=dict)
