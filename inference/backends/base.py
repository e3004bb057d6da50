"""The seam between the worker and whatever decodes: messages in, text events out.

Knows chat messages and text. Does not know users, the queue, or how tokens are made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from inference.engine.sampling_params import SamplingParams

FinishReason = Literal["stop", "length", "aborted"]


@dataclass(frozen=True)
class BackendInfo:
    """What is loaded: shown to people and recorded on the worker's row."""

    model: str
    engine: str
    device: str
    dtype: str
    slots: int
    max_model_len: int
    runner: str = ""
    vocabulary: str = ""  # equal for two models whose token ids stand for the same text


@dataclass(frozen=True)
class Progress:
    """One line of the way to ready. ``fraction`` is None where nobody can know it."""

    stage: str
    fraction: float | None
    detail: str = ""


@dataclass(frozen=True)
class Generation:
    """One answer to make. ``output_*`` hold what an earlier attempt already made (resume).

    Text without token ids was made by a model of another vocabulary. Its tokens in this one come
    back as the ids of the first TextDelta.

    Only generations of the same ``scope`` may use each other's computed prompts.
    """

    request_id: str
    messages: list[dict[str, str]]
    params: SamplingParams
    output_token_ids: list[int] = field(default_factory=list)
    output_text: str = ""
    scope: str = ""


@dataclass(frozen=True)
class Started:
    request_id: str
    prompt_tokens: int
    cached_tokens: int
    truncated: bool
    slot: int | None = None


@dataclass(frozen=True)
class TextDelta:
    """``token_ids``: all ids since the request's last event; ``text`` may be '' (held back)."""

    request_id: str
    text: str
    token_ids: list[int]


@dataclass(frozen=True)
class Finished:
    request_id: str
    finish_reason: FinishReason


@dataclass(frozen=True)
class Failed:
    request_id: str
    code: str
    detail: str


@dataclass(frozen=True)
class BackendDied:
    """The engine is gone with all its requests; it restarts itself and says BackendReady."""

    detail: str


@dataclass(frozen=True)
class BackendReady:
    info: BackendInfo


BackendEvent = Started | TextDelta | Finished | Failed | BackendDied | BackendReady


@dataclass(frozen=True)
class BackendOptions:
    """Plain values for ``create_backend``; the caller reads them from its own settings."""

    engine: str = "local"
    model: str = ""
    device: str = "auto"
    dtype: str = "auto"
    max_model_len: int | None = None
    slots: int | None = None
    chat_template: str | None = None
    mock_rate: float = 20.0
    threads: int | None = None


class Backend(Protocol):
    """Every submit ends in exactly one Finished or Failed, unless BackendDied comes first."""

    async def start(self, on_progress: Callable[[Progress], None]) -> BackendInfo:
        """Load and warm up; raises BackendError with a sentence when that cannot work."""
        ...

    def submit(self, generation: Generation) -> None:
        """Take a request and return at once."""
        ...

    def abort(self, request_id: str) -> None:
        """End it with Finished('aborted') within one step; an unknown id is ignored."""
        ...

    async def events(self) -> list[BackendEvent]:
        """The next non-empty batch (one engine step), in order."""
        ...

    async def stop(self) -> None:
        """End the engine; idempotent."""
        ...

    def load(self) -> int:
        """How many requests it holds."""
        ...

    def totals(self) -> dict[str, int | float]:
        """Sums over all steps since the backend is there (``engine.totals``)."""
        ...
