"""What the parent process tells the engine process: plain values that pickle."""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.engine.errors import InvalidParams
from inference.engine.sampling_params import SamplingParams


@dataclass(frozen=True)
class EngineRequest:
    """One sequence to continue. ``output_token_ids`` were made by an earlier attempt (resume).

    Only sequences of the same ``scope`` may use each other's computed tokens.
    """

    id: str
    prompt_token_ids: list[int]
    params: SamplingParams
    output_token_ids: list[int] = field(default_factory=list)
    stop_token_ids: frozenset[int] = frozenset()
    scope: str = ""

    def __post_init__(self) -> None:
        if self.params.seed is None:
            raise InvalidParams("seed", "The engine needs a seed; draw one before.")

    @property
    def seed(self) -> int:
        return self.params.seed or 0


@dataclass(frozen=True)
class Submit:
    request: EngineRequest


@dataclass(frozen=True)
class Abort:
    request_id: str


@dataclass(frozen=True)
class Stop:
    """Leave the loop and end the process."""


Command = Submit | Abort | Stop
