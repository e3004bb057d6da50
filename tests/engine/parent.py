"""A parent of an engine process that brings it into a state and says so: for lifetime tests.

Run as ``python -m tests.engine.parent STATE``; prints "<state> <pid of the child>" and waits, or
with ``and-leave`` ends without another word.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from typing import Any

from inference.engine.events import LoadProgress, TokenMade
from inference.engine.options import EngineInfo, MockOptions
from inference.engine.process import MOCK_ENGINE, EngineClient
from inference.engine.requests import EngineRequest
from inference.engine.runner import Runner, StepResult, Token
from inference.engine.sampling_params import SamplingParams
from inference.engine.step_report import StepReport


class BusyRunner:
    """Steps without ever waiting; ``seconds`` long steps stand for a long forward."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._steps = 0

    def add(self, request: EngineRequest) -> None:
        self._id = request.id

    def remove(self, request_id: str) -> None:
        pass

    def step(self) -> list[StepResult]:
        self._steps += 1
        if self._steps > 2:
            time.sleep(self._seconds)
        return [Token(self._id, 1)]

    def report(self) -> StepReport:
        return StepReport()

    def wait_seconds(self) -> float:
        return 0.0


def build_busy(seconds: float, tell: Callable[[LoadProgress], None]) -> tuple[Runner, EngineInfo]:
    return BusyRunner(seconds), EngineInfo("busy", "none", "none", 10**9)


def build_slowly(options: Any, tell: Callable[[LoadProgress], None]) -> tuple[Runner, EngineInfo]:
    tell(LoadProgress("loading for ever", None))
    while True:  # as busy as an import, not only asleep
        sum(range(10_000))


async def main(state: str, leaves: bool) -> None:
    factory, options = {
        "idle": (MOCK_ENGINE, MockOptions()),
        "loading": ("tests.engine.parent:build_slowly", None),
        "stepping": ("tests.engine.parent:build_busy", 0.0),
        "long-step": ("tests.engine.parent:build_busy", 60.0),
    }[state]
    client = EngineClient(factory, options)

    def say(*_: object) -> None:
        print(state, client.pid, flush=True)

    await client.start(say if state == "loading" else lambda progress: None)
    if state == "idle":
        say()
    else:
        params = SamplingParams(seed=1, max_tokens=10**9)
        client.submit(EngineRequest("a", [1], params))
    said = state == "idle"
    while not (said and leaves):
        events = await client.events()
        if not said and any(isinstance(event, TokenMade) for event in events):
            said = True
            say()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], "and-leave" in sys.argv))
