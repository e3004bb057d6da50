"""What the engine process tells its parent: plain values that pickle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from inference.engine.options import EngineInfo
from inference.engine.step_report import StepReport

EndReason = Literal["stop", "length", "aborted"]


@dataclass(frozen=True)
class LoadProgress:
    """One line of the way to ready. ``fraction`` is None where nobody can know it."""

    stage: str
    fraction: float | None
    detail: str = ""


@dataclass(frozen=True)
class EngineReady:
    info: EngineInfo


@dataclass(frozen=True)
class RequestStarted:
    request_id: str
    prompt_tokens: int
    cached_tokens: int
    slot: int | None = None


@dataclass(frozen=True)
class TokenMade:
    """One more token of a request; a stop token (EOS) is handed out like any other.

    ``logprob`` and ``top`` (token id, log-probability) are there where the request asked.
    """

    request_id: str
    token_id: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class RequestEnded:
    request_id: str
    reason: EndReason


@dataclass(frozen=True)
class RequestFailed:
    request_id: str
    code: str
    detail: str


@dataclass(frozen=True)
class StepDone:
    """A step is over, or nothing was due for a while: the engine is alive."""

    report: StepReport


@dataclass(frozen=True)
class EngineFailed:
    """The last words of a process that cannot go on: a load error, or a fault that hit all."""

    detail: str


@dataclass(frozen=True)
class EngineDied:
    """Made by the parent when the process is gone and nobody asked it to go."""

    exit_code: int | None
    detail: str


EngineEvent = (
    LoadProgress
    | EngineReady
    | RequestStarted
    | TokenMade
    | RequestEnded
    | RequestFailed
    | StepDone
    | EngineFailed
    | EngineDied
)
