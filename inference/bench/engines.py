"""The engine as a contender: its real loop over the runner that a site would get."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from inference.bench.trace import RequestTrace, Trace
from inference.engine.events import (
    EngineEvent,
    RequestEnded,
    RequestFailed,
    RequestStarted,
    TokenMade,
)
from inference.engine.loop import EngineCore
from inference.engine.requests import Abort, Command, EngineRequest, Submit
from inference.engine.runner import Runner
from inference.engine.sampling_params import SamplingParams


class EngineContender:
    """Greedy requests through ``EngineCore``; a token's time is when the loop handed it out."""

    def __init__(self, name: str, runner: Runner, max_model_len: int, model: Any) -> None:
        self.name = name
        self.runner = runner
        self._max_model_len = max_model_len
        self._model = model
        self._attention: str = model.config._attn_implementation

    def run(self, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        self._model.set_attn_implementation(self._attention)
        session = Session(self.runner, self._max_model_len)
        for prompt in prompts:
            session.submit(prompt, new_tokens)
        session.run()
        return Trace(session.traces())


class Session:
    """A loop in hand: submit now or later, step by step, and look when each token came."""

    _serial = 0

    def __init__(self, runner: Runner, max_model_len: int) -> None:
        self._commands: list[Command] = []
        self._traces: dict[str, RequestTrace] = {}
        self._open: set[str] = set()
        self._core = EngineCore(runner, max_model_len, self._take, self._emit)

    def submit(self, prompt: list[int], new_tokens: int, scope: str = "") -> str:
        """A greedy request that ends after exactly ``new_tokens``; returns its id."""
        Session._serial += 1
        name = f"bench-{Session._serial}"
        params = SamplingParams(temperature=0.0, seed=0, max_tokens=new_tokens)
        # Else a scope of its own: what an earlier repeat computed must not make this one faster.
        request = EngineRequest(name, prompt, params, scope=scope or name)
        self._commands.append(Submit(request))
        self._traces[name] = RequestTrace(perf_counter(), [], [])
        self._open.add(name)
        return name

    def abort(self, name: str) -> None:
        self._commands.append(Abort(name))

    def step(self) -> None:
        self._core.step()

    def run(self) -> None:
        """Until all have ended."""
        while self._open:
            self._core.step()

    def is_open(self, name: str) -> bool:
        return name in self._open

    def trace(self, name: str) -> RequestTrace:
        return self._traces[name]

    def traces(self) -> list[RequestTrace]:
        return list(self._traces.values())

    def _take(self, timeout: float | None) -> list[Command]:
        taken, self._commands = self._commands, []
        return taken

    def _emit(self, events: list[EngineEvent]) -> None:
        now = perf_counter()
        for event in events:
            match event:
                case TokenMade():
                    self._traces[event.request_id].token_times.append(now)
                    self._traces[event.request_id].token_ids.append(event.token_id)
                case RequestStarted():
                    self._traces[event.request_id].cached_tokens = event.cached_tokens
                case RequestEnded():
                    self._open.discard(event.request_id)
                case RequestFailed():
                    raise RuntimeError(f"A request of the bench failed: {event.detail}")
