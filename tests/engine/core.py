"""Runs an EngineCore in the test's own process, step by step."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from inference.engine.events import (
    EngineEvent,
    RequestEnded,
    RequestFailed,
    StepDone,
    TokenMade,
)
from inference.engine.loop import EngineCore
from inference.engine.requests import Abort, Command, EngineRequest, Submit
from inference.engine.runner import Runner
from inference.engine.sampling_params import SamplingParams
from inference.engine.step_report import StepReport


def a_request(
    name: str = "a", prompt: Sequence[int] = (5, 6, 7), resume: Sequence[int] = (), **params: Any
) -> EngineRequest:
    """Greedy and eight tokens long unless said otherwise; no stop token."""
    wanted = {"temperature": 0.0, "max_tokens": 8, "seed": 1, **params}
    stops = frozenset(wanted.pop("stop_token_ids", ()))
    scope = wanted.pop("scope", "")
    params_of = SamplingParams(**wanted)
    return EngineRequest(name, list(prompt), params_of, list(resume), stops, scope)


def _of_requests(batches: list[list[EngineEvent]]) -> list[EngineEvent]:
    return [event for batch in batches for event in batch if not isinstance(event, StepDone)]


class CoreInHand:
    """A core whose commands a test gives and whose batches it reads."""

    def __init__(self, runner: Runner, max_model_len: int = 128) -> None:
        self.batches: list[list[EngineEvent]] = []
        self._commands: list[Command] = []
        self.core = EngineCore(runner, max_model_len, self._take, self.batches.append)
        self._unended: set[str] = set()

    def submit(self, *requests: EngineRequest) -> None:
        self._commands += [Submit(request) for request in requests]
        self._unended |= {request.id for request in requests}

    def abort(self, request_id: str) -> None:
        self._commands.append(Abort(request_id))

    def step(self) -> list[EngineEvent]:
        """One step; what it tells of requests."""
        before = len(self.batches)
        self.core.step()
        made = _of_requests(self.batches[before:])
        ended = (RequestEnded, RequestFailed)
        self._unended -= {event.request_id for event in made if isinstance(event, ended)}
        return made

    def run(self) -> None:
        """Until every request has ended."""
        while self._unended:
            self.step()

    @property
    def events(self) -> list[EngineEvent]:
        return _of_requests(self.batches)

    @property
    def reports(self) -> list[StepReport]:
        """Of each step, in order."""
        told = [event for batch in self.batches for event in batch]
        return [event.report for event in told if isinstance(event, StepDone)]

    def tokens(self) -> dict[str, list[int]]:
        made: dict[str, list[int]] = defaultdict(list)
        for event in self.events:
            if isinstance(event, TokenMade):
                made[event.request_id].append(event.token_id)
        return dict(made)

    def ends(self) -> dict[str, str]:
        """Reason, or code of the failure, by request."""
        ends = {e.request_id: e.reason for e in self.events if isinstance(e, RequestEnded)}
        failures = {e.request_id: e.code for e in self.events if isinstance(e, RequestFailed)}
        return {**ends, **failures}

    def _take(self, timeout: float | None) -> list[Command]:
        taken, self._commands = self._commands, []
        return taken
