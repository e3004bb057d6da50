"""The mock's text, pace and directives, on a clock that the test moves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from inference.engine import mock_words
from inference.engine.mock_runner import DEFAULT_LENGTH, Directives, MockRunner
from inference.engine.requests import EngineRequest
from inference.engine.runner import Begun, Fault, Token
from tests.engine.core import CoreInHand, a_request


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def asking(
    message: str, name: str = "a", resume: Sequence[int] = (), **params: Any
) -> EngineRequest:
    prompt = mock_words.encode_message("user", message)
    return a_request(name, prompt, resume, **{"max_tokens": 500, **params})


def answers(*requests: EngineRequest) -> CoreInHand:
    clock = Clock()
    hand = CoreInHand(MockRunner(10.0, clock), 100_000)
    hand.submit(*requests)
    for _ in range(2000):
        hand.step()
        clock.now += 0.1
        if len(hand.ends()) == len(requests):
            break
    return hand


def test_the_default_answer_ends_by_itself() -> None:
    hand = answers(asking("hello"))
    assert len(hand.tokens()["a"]) == DEFAULT_LENGTH
    assert hand.ends() == {"a": "stop"}


def test_text_is_a_function_of_prompt_seed_and_position() -> None:
    one = answers(asking("hello")).tokens()["a"]
    beside = answers(asking("hello"), asking("other", "b")).tokens()
    assert beside["a"] == one != beside["b"]
    assert answers(asking("hello", seed=2)).tokens()["a"] != one
    assert answers(asking("hello", resume=one[:20])).tokens()["a"] == one[20:]


def test_the_text_has_everything_a_page_must_show() -> None:
    text = "".join(mock_words.WORDS)
    for sample in ("世界", "👩‍👩‍👧‍👦", "**", "```", "\n\n- "):
        assert sample in text


def test_max_tokens_cuts_a_mock_answer() -> None:
    hand = answers(asking("mock:length=50", max_tokens=7))
    assert len(hand.tokens()["a"]) == 7
    assert hand.ends() == {"a": "length"}


def test_length_and_echo_do_as_they_say() -> None:
    hand = answers(asking("mock:length=3"), asking("mock:echo Grüße, 世界", "b"))
    assert len(hand.tokens()["a"]) == 3
    assert mock_words.decode(hand.tokens()["b"]) == "Grüße, 世界"
    assert hand.ends() == {"a": "stop", "b": "stop"}


def test_an_error_ends_one_request_at_its_token() -> None:
    hand = answers(asking("mock:error@4"), asking("mock:length=9", "b"))
    assert len(hand.tokens()["a"]) == 4
    assert hand.ends() == {"a": "engine_error", "b": "stop"}


def test_only_the_newest_message_directs() -> None:
    old = mock_words.encode_message("user", "mock:error@0")
    new = mock_words.encode_message("user", "and now?")
    hand = answers(a_request("a", [*old, *new], max_tokens=99))
    assert hand.ends() == {"a": "stop"}


def test_directives_that_do_not_exist_are_text() -> None:
    directives = Directives.read("mock:dance mock:length=x mock:rate=0", 5.0)
    assert (directives.length, directives.rate) == (DEFAULT_LENGTH, 0.01)


def test_requests_of_one_rate_share_their_steps() -> None:
    clock = Clock()
    runner = MockRunner(10.0, clock)
    runner.add(asking("x"))
    clock.now += 0.03
    runner.add(asking("y", "b"))
    assert runner.step() == [Begun("a", 0, 0), Begun("b", 0, 1)]
    clock.now += runner.wait_seconds() + 1e-6
    assert [result.request_id for result in runner.step()] == ["a", "b"]
    assert runner.step() == []
    assert runner.wait_seconds() == pytest.approx(0.1, abs=1e-3)


def test_a_stall_holds_up_one_request_for_its_time() -> None:
    clock = Clock()
    runner = MockRunner(10.0, clock)
    runner.add(asking("mock:stall=5@2"))
    runner.add(asking("x", "b"))
    made = {"a": 0, "b": 0}
    for _ in range(45):
        clock.now += 0.1001
        for result in runner.step():
            assert not isinstance(result, Fault)
            made[result.request_id] += isinstance(result, Token)
    assert made["a"] == 2 and made["b"] > 40
    clock.now += 2.0
    assert "a" in [result.request_id for result in runner.step()]


def test_a_crash_ends_the_process_hard() -> None:
    script = (
        "from tests.engine.test_mock_runner import *\n"
        "answers(asking('mock:crash@2'))\nraise SystemExit(0)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 70
