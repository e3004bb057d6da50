"""What one step of the engine does, with a runner that counts."""

from __future__ import annotations

import pytest

from inference.engine.errors import RequestError
from inference.engine.events import RequestEnded, RequestFailed, RequestStarted, TokenMade
from inference.engine.loop import EngineCore
from inference.engine.requests import Command, EngineRequest, Stop
from inference.engine.runner import Begun, Fault, StepResult, Token
from inference.engine.step_report import StepReport
from tests.engine.core import CoreInHand, a_request


class CountingRunner:
    """Says 100, 101, 102… to everybody; fails whom it is told to."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}
        self.new: list[str] = []
        self.fails: set[str] = set()

    def add(self, request: EngineRequest) -> None:
        if request.id == "refused":
            raise RequestError("invalid", "No.")
        self.held[request.id] = 100 + len(request.output_token_ids)
        self.new.append(request.id)

    def remove(self, request_id: str) -> None:
        del self.held[request_id]

    def step(self) -> list[StepResult]:
        results: list[StepResult] = [Begun(request_id, 1) for request_id in self.new]
        self.new.clear()
        for request_id, token in self.held.items():
            if request_id in self.fails:
                results.append(Fault(request_id, "bad_logits", "NaN"))
            else:
                results.append(Token(request_id, token))
                self.held[request_id] += 1
        return results

    def report(self) -> StepReport:
        return StepReport(running=len(self.held))

    def wait_seconds(self) -> float:
        return 0.0


@pytest.fixture
def runner() -> CountingRunner:
    return CountingRunner()


@pytest.fixture
def hand(runner: CountingRunner) -> CoreInHand:
    return CoreInHand(runner)


def test_two_running_requests_alternate_token_by_token(hand: CoreInHand) -> None:
    hand.submit(a_request("a", max_tokens=6), a_request("b", max_tokens=6))
    hand.run()
    order = [event.request_id for event in hand.events if isinstance(event, TokenMade)]
    assert order == ["a", "b"] * 6
    for batch in hand.batches[:5]:
        assert [e.request_id for e in batch if isinstance(e, TokenMade)] == ["a", "b"]


def test_a_request_starts_and_ends_once(hand: CoreInHand, runner: CountingRunner) -> None:
    hand.submit(a_request("a", prompt=[1, 2], max_tokens=2))
    hand.run()
    assert hand.events == [
        RequestStarted("a", 2, 1),
        TokenMade("a", 100),
        TokenMade("a", 101),
        RequestEnded("a", "length"),
    ]
    assert runner.held == {}


def test_a_stop_token_is_handed_out_and_ends_the_request(hand: CoreInHand) -> None:
    hand.submit(a_request("a", stop_token_ids=[102], max_tokens=9))
    hand.run()
    assert hand.tokens() == {"a": [100, 101, 102]}
    assert hand.ends() == {"a": "stop"}


def test_an_abort_ends_within_one_step(hand: CoreInHand, runner: CountingRunner) -> None:
    hand.submit(a_request("a", max_tokens=50), a_request("b", max_tokens=50))
    hand.step()
    hand.abort("a")
    events = hand.step()
    assert events == [RequestEnded("a", "aborted"), TokenMade("b", 101)]
    assert list(runner.held) == ["b"]


def test_aborting_what_is_not_there_does_nothing(hand: CoreInHand) -> None:
    hand.submit(a_request("a", max_tokens=1))
    hand.run()
    hand.abort("a")
    hand.abort("never")
    assert hand.step() == []


def test_a_fault_ends_one_request_only(hand: CoreInHand, runner: CountingRunner) -> None:
    hand.submit(a_request("a", max_tokens=3), a_request("b", max_tokens=3))
    hand.step()
    runner.fails.add("a")
    hand.run()
    assert hand.ends() == {"a": "bad_logits", "b": "length"}
    assert runner.held == {}


def test_what_the_runner_refuses_fails_alone(hand: CoreInHand) -> None:
    hand.submit(a_request("refused"), a_request("b", max_tokens=1))
    hand.run()
    assert hand.ends() == {"refused": "invalid", "b": "length"}


@pytest.mark.parametrize("prompt", [[], [1] * 128, [1] * 500])
def test_a_prompt_without_room_never_runs(hand: CoreInHand, prompt: list[int]) -> None:
    hand.submit(a_request("a", prompt=prompt))
    hand.run()
    assert hand.ends()["a"] in ("invalid", "too_long")


def test_the_context_ends_an_answer(hand: CoreInHand) -> None:
    hand.submit(a_request("a", prompt=[1] * 120, max_tokens=500))
    hand.run()
    assert len(hand.tokens()["a"]) == 8
    assert hand.ends() == {"a": "length"}


def test_an_id_that_runs_is_refused_and_goes_on(hand: CoreInHand) -> None:
    hand.submit(a_request("a", max_tokens=2), a_request("a", max_tokens=2))
    first, second = hand.step(), hand.step()
    assert [type(event) for event in first] == [RequestFailed, RequestStarted, TokenMade]
    assert second == [TokenMade("a", 101), RequestEnded("a", "length")]


@pytest.mark.parametrize(("resume", "reason"), [([9, 102], "stop"), ([7] * 8, "length")])
def test_a_resumed_request_that_was_over_ends_at_once(
    hand: CoreInHand, resume: list[int], reason: str
) -> None:
    hand.submit(a_request("a", resume=resume, stop_token_ids=[102]))
    hand.run()
    assert hand.tokens() == {}
    assert hand.ends() == {"a": reason}


def test_max_tokens_counts_the_tokens_of_earlier_attempts(hand: CoreInHand) -> None:
    hand.submit(a_request("a", resume=[1, 2, 3], max_tokens=5))
    hand.run()
    assert hand.tokens() == {"a": [103, 104]}


def test_stop_leaves_the_loop(runner: CountingRunner) -> None:
    def stop(timeout: float | None) -> list[Command]:
        return [Stop()]

    core = EngineCore(runner, 128, stop, lambda events: None)
    core.run()
    assert core.stopped
