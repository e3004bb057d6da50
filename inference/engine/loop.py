"""The engine's loop: commands in, one token per running request and step, events out.

Knows when a request ends. Does not know how tokens are computed (the runner does) or where
commands come from and events go (both are passed in), so that a test can call each step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from inference.engine.errors import RequestError
from inference.engine.events import (
    EndReason,
    EngineEvent,
    RequestEnded,
    RequestFailed,
    RequestStarted,
    StepDone,
    TokenMade,
)
from inference.engine.requests import Abort, Command, EngineRequest, Stop, Submit
from inference.engine.runner import Begun, Fault, Runner, StepResult, Token
from inference.engine.step_report import StepReport

# While requests run, the parent hears at least this often that the engine is alive.
LONGEST_SILENCE = 2.0


class TakeCommands(Protocol):
    def __call__(self, timeout: float | None) -> list[Command]:
        """All commands that are there; waits at most ``timeout`` seconds (None: for ever)."""
        ...


class _Running:
    """A request and how many tokens it has, those of earlier attempts included."""

    def __init__(self, request: EngineRequest) -> None:
        self.request = request
        self.made = len(request.output_token_ids)

    def end_after(self, token_id: int, *, last: bool, max_model_len: int) -> EndReason | None:
        if last or token_id in self.request.stop_token_ids:
            return "stop"
        length = len(self.request.prompt_token_ids) + self.made
        if self.made >= self.request.params.max_tokens or length >= max_model_len:
            return "length"
        return None


class EngineCore:
    def __init__(
        self,
        runner: Runner,
        max_model_len: int,
        take_commands: TakeCommands,
        emit: Callable[[list[EngineEvent]], None],
    ) -> None:
        self._runner = runner
        self._max_model_len = max_model_len
        self._take_commands = take_commands
        self._emit = emit
        self._running: dict[str, _Running] = {}
        self._events: list[EngineEvent] = []
        self._emit_s = 0.0
        self.stopped = False

    def run(self) -> None:
        while not self.stopped:
            self.step()

    def step(self) -> None:
        """One step: drain commands, let the runner make tokens, hand out what happened."""
        for command in self._take_commands(self._patience()):
            self._obey(command)
        if self._running and not self.stopped:
            self._advance()
        if self._events:
            began = time.perf_counter()
            events, self._events = self._events, []
            self._emit(events)
            self._emit_s = time.perf_counter() - began

    def _patience(self) -> float | None:
        """How long to wait for commands, in seconds: for ever where nothing runs."""
        if not self._running:
            return None
        return min(self._runner.wait_seconds(), LONGEST_SILENCE)

    def _advance(self) -> None:
        report = StepReport(running=len(self._running))
        if self._runner.wait_seconds() <= 0:
            for result in self._runner.step():
                self._take_result(result)
            report = replace(self._runner.report(), emit_s=self._emit_s)
        self._events.append(StepDone(report))

    def _obey(self, command: Command) -> None:
        match command:
            case Submit(request):
                self._add(request)
            case Abort(request_id):
                if request_id in self._running:
                    self._end(request_id, "aborted")
            case Stop():
                self.stopped = True

    def _add(self, request: EngineRequest) -> None:
        try:
            self._check(request)
            ended = self._already_ended(request)
            if ended is None:
                self._runner.add(request)
        except RequestError as error:
            self._events.append(RequestFailed(request.id, error.code, error.detail))
            return
        if ended is None:
            self._running[request.id] = _Running(request)
        else:
            started = RequestStarted(request.id, len(request.prompt_token_ids), 0)
            self._events += [started, RequestEnded(request.id, ended)]

    def _check(self, request: EngineRequest) -> None:
        if request.id in self._running:
            raise RequestError("duplicate", "A request with this id is already running.")
        if not request.prompt_token_ids:
            raise RequestError("invalid", "The prompt is empty.")
        if len(request.prompt_token_ids) >= self._max_model_len:
            raise RequestError(
                "too_long", f"The prompt is longer than {self._max_model_len - 1} tokens."
            )

    def _already_ended(self, request: EngineRequest) -> EndReason | None:
        """A resumed request may have made its last token before anybody could note its end."""
        if not request.output_token_ids:
            return None
        last_token = request.output_token_ids[-1]
        return _Running(request).end_after(
            last_token, last=False, max_model_len=self._max_model_len
        )

    def _take_result(self, result: StepResult) -> None:
        running = self._running.get(result.request_id)
        if running is None:
            return
        match result:
            case Begun(request_id, cached_tokens, slot):
                prompt_tokens = len(running.request.prompt_token_ids)
                self._events.append(RequestStarted(request_id, prompt_tokens, cached_tokens, slot))
            case Fault(request_id, code, detail):
                self._forget(request_id)
                self._events.append(RequestFailed(request_id, code, detail))
            case Token():
                self._take_token(result, running)

    def _take_token(self, result: Token, running: _Running) -> None:
        running.made += 1
        self._events.append(
            TokenMade(result.request_id, result.token_id, result.logprob, result.top)
        )
        reason = running.end_after(
            result.token_id, last=result.last, max_model_len=self._max_model_len
        )
        if reason:
            self._end(result.request_id, reason)

    def _end(self, request_id: str, reason: EndReason) -> None:
        self._forget(request_id)
        self._events.append(RequestEnded(request_id, reason))

    def _forget(self, request_id: str) -> None:
        del self._running[request_id]
        self._runner.remove(request_id)
