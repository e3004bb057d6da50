"""The seam between the loop and whatever computes tokens.

A runner owns the sequences it was given and their memory. It knows neither when a sequence ends
(the loop does) nor where its tokens go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from inference.engine.requests import EngineRequest


@dataclass(frozen=True)
class Token:
    """``last``: the runner itself knows that nothing follows (a model says so by an EOS token)."""

    request_id: str
    token_id: int
    last: bool = False


@dataclass(frozen=True)
class Fault:
    """This sequence cannot go on; the runner holds it until ``remove``."""

    request_id: str
    code: str
    detail: str


StepResult = Token | Fault


class Runner(Protocol):
    def add(self, request: EngineRequest) -> int:
        """Takes a sequence; returns how many prompt tokens it need not compute again.

        Raises RequestError where this sequence can never run.
        """
        ...

    def remove(self, request_id: str) -> None:
        """Forgets a sequence that was added."""
        ...

    def step(self) -> list[StepResult]:
        """Advances every sequence that is due by exactly one token, in turn.

        An exception means that the engine as a whole cannot go on.
        """
        ...

    def wait_seconds(self) -> float:
        """How long until the next step has something to do; 0 for a runner that always has."""
        ...
