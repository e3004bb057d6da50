"""An engine process that hangs is noticed, and one that is only slow or idle is left alone."""

from __future__ import annotations

import os
import signal

from inference.engine.events import EngineDied, RequestEnded, StepDone, TokenMade
from inference.engine.options import MockOptions
from inference.engine.process import MOCK_ENGINE, EngineClient
from inference.engine.requests import Submit
from inference.engine.step_report import StepReport
from inference.engine.watchdog import Watchdog
from tests.engine.core import a_request
from tests.engine.test_process import asking, is_gone, until


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def a_watchdog() -> tuple[Watchdog, Clock]:
    clock = Clock()
    return Watchdog(clock), clock


def test_an_idle_engine_may_be_silent_for_ever() -> None:
    watchdog, clock = a_watchdog()
    watchdog.sent(Submit(a_request("a")))
    watchdog.heard([RequestEnded("a", "stop")])
    clock.now = 10_000
    assert not watchdog.hangs(60) and not watchdog.hangs(60)


def test_silence_with_requests_is_a_hang_at_the_second_look() -> None:
    watchdog, clock = a_watchdog()
    clock.now = 500
    watchdog.sent(Submit(a_request("a")))
    assert not watchdog.hangs(60) and not watchdog.hangs(60)
    clock.now = 561
    assert not watchdog.hangs(60)
    assert watchdog.hangs(60)


def test_any_word_ends_the_suspicion() -> None:
    watchdog, clock = a_watchdog()
    watchdog.sent(Submit(a_request("a")))
    clock.now = 61
    assert not watchdog.hangs(60)
    watchdog.heard([StepDone(StepReport())])
    assert not watchdog.hangs(60) and not watchdog.hangs(60)


async def a_slow_client(hang_seconds: float) -> EngineClient:
    options = MockOptions(rate=50.0, hang_seconds=hang_seconds)
    client = EngineClient(MOCK_ENGINE, options)
    await client.start(lambda progress: None)
    return client


async def test_a_child_that_hangs_in_a_step_is_ended() -> None:
    client = await a_slow_client(hang_seconds=1.0)
    pid = client.pid
    client.submit(asking("mock:hang@3"))
    events = await until(client, lambda event: isinstance(event, EngineDied))
    assert sum(isinstance(event, TokenMade) for event in events) == 3
    died = events[-1]
    assert isinstance(died, EngineDied) and "silent for 1 seconds" in died.detail
    assert pid is not None and await is_gone(pid)
    await client.start(lambda progress: None)  # and another one can take its place
    await client.stop()


async def test_a_child_that_was_stopped_is_ended_too() -> None:
    client = await a_slow_client(hang_seconds=1.0)
    assert client.pid is not None
    client.submit(asking("mock:length=1000"))
    await until(client, lambda event: isinstance(event, TokenMade))
    os.kill(client.pid, signal.SIGSTOP)
    events = await until(client, lambda event: isinstance(event, EngineDied))
    assert isinstance(events[-1], EngineDied)
    await client.stop()


async def test_a_long_stall_between_tokens_is_no_hang() -> None:
    client = await a_slow_client(hang_seconds=1.5)
    client.submit(asking("mock:stall=4@2 mock:length=4"))
    events = await until(client, lambda event: isinstance(event, EngineDied | RequestEnded))
    assert isinstance(events[-1], RequestEnded | StepDone)
    assert not any(isinstance(event, EngineDied) for event in events)
    await client.stop()
