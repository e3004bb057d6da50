"""The mock backend: everything a worker relies on, at full speed and without a model."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from inference.backends import BackendError, BackendOptions, create_backend
from inference.backends.base import (
    BackendDied,
    BackendEvent,
    BackendInfo,
    BackendReady,
    Failed,
    Finished,
    Started,
    TextDelta,
)
from inference.backends.engine_backend import EngineBackend
from inference.backends.mock import MockCodec
from inference.engine.options import MockOptions
from inference.engine.process import MOCK_ENGINE, EngineClient
from tests.backends.collect import asking, has_text, running


def a_mock(rate: float = 1000.0, **options: Any) -> EngineBackend:
    client = EngineClient(MOCK_ENGINE, MockOptions(rate, **options))
    return EngineBackend("mock", client, MockCodec(), back_off=0.05)


def is_a(kind: type[Any]) -> Callable[[BackendEvent], bool]:
    return lambda event: isinstance(event, kind)


async def test_a_request_starts_streams_and_finishes_once() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("mock:echo Hello 世界 👩‍👧"))
        assert reader.backend.load() == 1
        await reader.ended("a")
        assert isinstance(reader.events[0], Started)
        assert reader.text["a"] == "Hello 世界 👩‍👧"
        assert isinstance(reader.events[-1], Finished)
        assert reader.ends["a"] == ["stop"]
        assert reader.backend.load() == 0


async def test_two_requests_alternate_token_by_token() -> None:
    async with running(a_mock(rate=200.0)) as reader:
        reader.backend.submit(asking("mock:length=20", "a"))
        reader.backend.submit(asking("mock:length=20", "b"))
        await reader.ended("a", "b")
        order = [event.request_id for event in reader.events if isinstance(event, TextDelta)]
        overlap = order[order.index("b") : len(order) - order[::-1].index("a")]
        assert len(overlap) > 20
        assert all(one != other for one, other in zip(overlap, overlap[1:], strict=False))


async def test_a_stop_string_ends_the_text_before_it() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("mock:echo one two three", stop=("tw",)))
        reader.backend.submit(asking("mock:echo one tw", "b", stop=("two",)))
        await reader.ended("a", "b")
        assert reader.text == {"a": "one ", "b": "one tw"}
        assert reader.ends == {"a": ["stop"], "b": ["stop"]}
        assert reader.backend.load() == 0


async def test_an_abort_ends_at_once_and_once() -> None:
    async with running(a_mock(rate=50.0)) as reader:
        reader.backend.submit(asking("mock:length=10000", max_tokens=10000))
        await reader.until(has_text)
        before = len(reader.ids["a"])
        reader.backend.abort("a")
        reader.backend.abort("a")
        reader.backend.abort("nobody")
        await reader.ended("a")
        assert len(reader.ids["a"]) <= before + 2
        reader.backend.submit(asking("mock:length=3", "b"))
        await reader.ended("b")
        assert reader.ends["a"] == ["aborted"]


async def test_an_abort_right_after_submit_never_reaches_the_engine() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("x"))
        reader.backend.abort("a")
        await reader.ended("a")
        reader.backend.submit(asking("mock:length=2", "b"))
        await reader.ended("b")
        assert reader.events[0] == Finished("a", "aborted")
        started = [event for event in reader.events if isinstance(event, Started)]
        assert [event.request_id for event in started] == ["b"]


async def test_a_fault_of_one_request_leaves_the_others_alone() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("mock:error@3"))
        reader.backend.submit(asking("mock:length=9", "b"))
        reader.backend.submit(asking([{"role": "tool", "content": "x"}], "c"))
        reader.backend.submit(asking("x" * 40_000, "d"))
        await reader.ended("a", "b", "c", "d")
        assert reader.ends == {
            "a": ["engine_error"],
            "b": ["stop"],
            "c": ["invalid"],
            "d": ["too_long"],
        }
        assert len(reader.ids["a"]) == 3


async def test_a_long_chat_is_cut_and_says_so() -> None:
    async with running(a_mock(max_model_len=200)) as reader:
        chat = [{"role": "user", "content": "old " * 40}, {"role": "assistant", "content": "x"}]
        chat.append({"role": "user", "content": "mock:echo new"})
        reader.backend.submit(asking(chat))
        await reader.ended("a")
        started = reader.events[0]
        assert isinstance(started, Started) and started.truncated
        assert reader.text["a"] == "new"


async def test_a_request_without_a_seed_fails_alone() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("x", seed=None))
        await reader.ended("a")
        assert reader.ends["a"] == ["invalid"]


@pytest.mark.parametrize("cut", [1, 7, 19])
async def test_a_resumed_answer_goes_on_without_a_repetition(cut: int) -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("mock:length=20"))
        await reader.ended("a")
        deltas = [event for event in reader.events if isinstance(event, TextDelta)]
        said = "".join(event.text for event in deltas[:cut])
        ids = [id for event in deltas[:cut] for id in event.token_ids]
        reader.backend.submit(asking("mock:length=20", "b", ids, said))
        await reader.ended("b")
        assert said + reader.text["b"] == reader.text["a"]
        assert ids + reader.ids["b"] == reader.ids["a"]


async def test_a_resumed_answer_that_was_over_finishes() -> None:
    async with running(a_mock()) as reader:
        chat = "mock:echo one two three"
        reader.backend.submit(asking(chat, stop=("two",)))
        await reader.ended("a")
        reader.backend.submit(asking(chat, "b", reader.ids["a"], reader.text["a"], stop=("two",)))
        reader.backend.submit(asking(chat, "c", [*map(ord, "one")], "one", max_tokens=3))
        await reader.ended("b", "c")
        assert (reader.text["b"], reader.text["c"]) == ("", "")
        assert (reader.ends["b"], reader.ends["c"]) == (["stop"], ["length"])


@pytest.mark.parametrize("how", ["kill", "mock:crash@3"])
async def test_after_a_crash_the_backend_comes_back_and_answers(how: str) -> None:
    backend = a_mock()
    async with running(backend) as reader:
        reader.backend.submit(asking(how if how != "kill" else "mock:length=9999", max_tokens=9999))
        reader.backend.submit(asking("mock:length=9999", "b", max_tokens=9999))
        await reader.until(lambda event: has_text(event) and event.request_id == "b")  # type: ignore[union-attr]
        if how == "kill":
            assert backend._client.pid
            os.kill(backend._client.pid, signal.SIGKILL)
        await reader.until(is_a(BackendDied))
        assert reader.backend.load() == 0
        reader.backend.submit(asking("early", "c"))
        await reader.until(is_a(BackendReady))
        assert reader.ends["c"] == ["not_ready"]
        reader.backend.submit(asking("mock:length=2", "d"))
        await reader.ended("d")
        assert reader.ends["a"] == reader.ends["b"] == []


async def test_the_rate_is_the_rate_of_each_request() -> None:
    async with running(a_mock(rate=40.0)) as reader:
        for name in "abcd":
            reader.backend.submit(asking("mock:length=20", name))
        before = time.monotonic()
        await reader.ended(*"abcd")
        assert 0.4 < time.monotonic() - before < 0.8


async def test_submitting_returns_at_once_whatever_the_length() -> None:
    async with running(a_mock(max_model_len=10_000_000)) as reader:
        longest = 0.0
        reader.backend.submit(asking("mock:length=2 " + "x" * 2_000_000))
        while not reader.ends["a"]:
            before = time.monotonic()
            await asyncio.sleep(0)
            longest = max(longest, time.monotonic() - before)
            if not reader.backend._batches.empty():  # type: ignore[attr-defined]
                await reader._read()
        assert longest < 0.5


async def test_one_id_may_run_once() -> None:
    async with running(a_mock()) as reader:
        reader.backend.submit(asking("x"))
        with pytest.raises(ValueError, match="already"):
            reader.backend.submit(asking("x"))


async def test_text_that_cannot_be_made_fails_its_request_only() -> None:
    class Broken(MockCodec):
        def decode(self, token_ids: Any) -> str:
            if 90 in token_ids:  # Z
                raise OverflowError("odd")
            return super().decode(token_ids)

    client = EngineClient(MOCK_ENGINE, MockOptions(1000.0))
    async with running(EngineBackend("mock", client, Broken())) as reader:
        reader.backend.submit(asking("mock:echo abZ"))
        reader.backend.submit(asking("mock:echo abc", "b"))
        await reader.ended("a", "b")
        assert (reader.ends["a"], reader.ends["b"]) == (["engine_error"], ["stop"])
        assert any(isinstance(event, Failed) for event in reader.events)


async def test_options_reach_the_mock() -> None:
    backend = create_backend(BackendOptions(engine="mock", mock_rate=5.0, max_model_len=99))
    info = await backend.start(lambda progress: None)
    await backend.stop()
    await backend.stop()
    assert info == BackendInfo("mock", "mock", "none", "none", 64, 99, "mock", "mock")


@pytest.mark.parametrize("engine", ["openai", "other", ""])
def test_an_engine_that_is_not_there_is_a_sentence(engine: str) -> None:
    with pytest.raises(BackendError, match=r"\.$"):
        create_backend(BackendOptions(engine=engine))
