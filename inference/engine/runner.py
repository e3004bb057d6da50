"""The seam between the loop and whatever computes tokens.

A runner owns the sequences it was given and their memory. It knows neither when a sequence ends
(the loop does) nor where its tokens go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from inference.engine.errors import RequestError
from inference.engine.requests import EngineRequest
from inference.engine.step_report import StepReport


@dataclass(frozen=True)
class Begun:
    """The sequence has its ``slot``; ``cached_tokens`` of it need not be computed again."""

    request_id: str
    cached_tokens: int
    slot: int | None = None


@dataclass(frozen=True)
class Token:
    """``last``: the runner itself knows that nothing follows (a model says so by an EOS token).

    ``logprob`` and ``top`` (token id, log-probability) are there where the request asked.
    """

    request_id: str
    token_id: int
    last: bool = False
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True)
class Fault:
    """This sequence cannot go on; the runner holds it until ``remove``."""

    request_id: str
    code: str
    detail: str


StepResult = Begun | Token | Fault


def check_tokens(request: EngineRequest, vocabulary: int) -> None:
    """Raises RequestError where a request names a token that the model does not have."""
    ids = [*request.prompt_token_ids, *request.output_token_ids]
    if min(ids) < 0 or max(ids) >= vocabulary:
        raise RequestError("invalid", "The prompt holds a token that the model does not know.")
    unknown = [token for token, _ in request.params.logit_bias if token >= vocabulary]
    if unknown:
        raise RequestError("invalid", f"The model has no token {unknown[0]} to bias.")


class Runner(Protocol):
    def add(self, request: EngineRequest) -> None:
        """Takes a sequence; a later step says that it has begun.

        Raises RequestError where this sequence can never run.
        """
        ...

    def remove(self, request_id: str) -> None:
        """Forgets a sequence that was added."""
        ...

    def step(self) -> list[StepResult]:
        """Advances every sequence that is due by one token at most; prompts may take several steps.

        An exception means that the engine as a whole cannot go on.
        """
        ...

    def report(self) -> StepReport:
        """What the last step did."""
        ...

    def wait_seconds(self) -> float:
        """How long until the next step has something to do; 0 for a runner that always has."""
        ...
