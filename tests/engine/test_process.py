"""The engine process: its client, its crashes, and that it never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from inference.engine import mock_words
from inference.engine.errors import LoadError
from inference.engine.events import (
    EngineDied,
    EngineEvent,
    LoadProgress,
    RequestEnded,
    RequestFailed,
    RequestStarted,
    TokenMade,
)
from inference.engine.options import EngineOptions, MockOptions
from inference.engine.process import MOCK_ENGINE, REAL_ENGINE, EngineClient, describe_exit
from inference.engine.requests import EngineRequest
from inference.engine.sampling_params import SamplingParams

ROOT = Path(__file__).parents[2]


def asking(message: str, name: str = "a", **params: Any) -> EngineRequest:
    prompt = mock_words.encode_message("user", message)
    return EngineRequest(name, prompt, SamplingParams(seed=1, **params))


@asynccontextmanager
async def a_client(rate: float = 500.0) -> AsyncIterator[EngineClient]:
    client = EngineClient(MOCK_ENGINE, MockOptions(rate))
    await client.start(lambda progress: None)
    try:
        yield client
    finally:
        await client.stop()


async def until(client: EngineClient, wanted: Callable[[EngineEvent], bool]) -> list[EngineEvent]:
    seen: list[EngineEvent] = []
    async with asyncio.timeout(10):
        while not any(wanted(event) for event in seen):
            seen += await client.events()
    return seen


def is_alive(pid: int) -> bool:
    """Running, and not only waiting to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # also between its opening and its reading
        return False


async def is_gone(pid: int, seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while is_alive(pid) and time.monotonic() < end:
        await asyncio.sleep(0.02)
    return not is_alive(pid)


async def test_two_requests_alternate_token_by_token_through_the_process() -> None:
    async with a_client(rate=200.0) as client:
        client.submit(asking("mock:length=20", "a"))
        client.submit(asking("mock:length=20", "b"))
        ended: set[str] = set()
        order: list[str] = []
        while len(ended) < 2:
            for event in await client.events():
                if isinstance(event, TokenMade):
                    order.append(event.request_id)
                elif isinstance(event, RequestEnded):
                    ended.add(event.request_id)
        overlap = order[order.index("b") : len(order) - order[::-1].index("a")]
        assert len(overlap) > 20
        assert all(one != other for one, other in zip(overlap, overlap[1:], strict=False))


async def test_an_abort_ends_a_request_and_leaves_the_other() -> None:
    async with a_client(rate=50.0) as client:
        client.submit(asking("mock:length=100000", "a", max_tokens=100000))
        client.submit(asking("mock:length=30", "b"))
        await until(client, lambda event: isinstance(event, TokenMade))
        client.abort("a")
        seen = await until(client, lambda event: event == RequestEnded("b", "stop"))
        assert RequestEnded("a", "aborted") in seen
        after = seen[seen.index(RequestEnded("a", "aborted")) :]
        assert TokenMade not in {type(e) for e in after if getattr(e, "request_id", "") == "a"}


async def test_a_stalled_request_can_be_aborted_at_once() -> None:
    async with a_client() as client:
        client.submit(asking("mock:stall=60@0"))
        await until(client, lambda event: isinstance(event, RequestStarted))
        before = time.monotonic()
        client.abort("a")
        await until(client, lambda event: event == RequestEnded("a", "aborted"))
        assert time.monotonic() - before < 1.0


@pytest.mark.parametrize("how", ["kill", "mock:crash@3"])
async def test_a_crash_is_an_event_and_the_client_starts_again(how: str) -> None:
    async with a_client() as client:
        first = client.pid
        assert first
        client.submit(asking(how if how != "kill" else "mock:length=100000", max_tokens=100000))
        await until(client, lambda event: isinstance(event, TokenMade))
        if how == "kill":
            os.kill(first, signal.SIGKILL)
        seen = await until(client, lambda event: isinstance(event, EngineDied))
        died = seen[-1]
        assert isinstance(died, EngineDied)
        assert died.exit_code == (-9 if how == "kill" else 70)
        assert "SIGKILL" in died.detail or "70" in died.detail
        assert client.pid is None
        client.submit(asking("lost"))  # nobody is there: not an error
        await client.start(lambda progress: None)
        assert client.pid != first
        client.submit(asking("mock:length=2"))
        await until(client, lambda event: event == RequestEnded("a", "stop"))


async def test_what_cannot_load_is_a_sentence_and_leaves_no_process() -> None:
    client = EngineClient(REAL_ENGINE, EngineOptions("/no/such/model", threads=1))
    with pytest.raises(LoadError, match="no folder"):
        await client.start(lambda progress: None)
    assert client.pid is None
    client = EngineClient("inference.engine.nothing:build", None)
    with pytest.raises(LoadError, match="ModuleNotFoundError"):
        await client.start(lambda progress: None)


async def test_a_start_that_is_given_up_leaves_no_process() -> None:
    client = EngineClient("tests.engine.parent:build_slowly", None)
    told: list[LoadProgress] = []
    task = asyncio.create_task(client.start(told.append))
    while not told:
        await asyncio.sleep(0.01)
    pid = client.pid
    assert pid
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await is_gone(pid)


async def test_stop_ends_the_process_and_may_be_repeated() -> None:
    client = EngineClient(MOCK_ENGINE, MockOptions())
    await client.start(lambda progress: None)
    pid = client.pid
    assert pid
    await client.stop()
    await client.stop()
    assert not is_alive(pid)


async def test_stop_does_not_wait_for_a_long_step() -> None:
    client = EngineClient("tests.engine.parent:build_busy", 60.0)
    await client.start(lambda progress: None)
    client.submit(EngineRequest("a", [1], SamplingParams(seed=1)))
    await until(client, lambda event: isinstance(event, TokenMade))
    await asyncio.sleep(0.1)
    before = time.monotonic()
    await client.stop()
    assert time.monotonic() - before < 4.0


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_whole_group_leaves_the_end_to_the_parent(
    sent: signal.Signals,
) -> None:
    async with a_client() as client:
        assert client.pid
        os.kill(client.pid, sent)
        client.submit(asking("mock:length=2"))
        await until(client, lambda event: event == RequestEnded("a", "stop"))


async def test_a_large_prompt_does_not_hold_up_the_event_loop() -> None:
    async with a_client() as client:
        before = time.monotonic()
        for number in range(8):
            client.submit(EngineRequest(str(number), [65] * 200_000, SamplingParams(seed=1)))
        assert time.monotonic() - before < 0.2
        await until(client, lambda event: isinstance(event, RequestFailed))


@pytest.mark.parametrize("state", ["idle", "loading", "stepping", "long-step"])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_no_child_outlives_its_parent(state: str, sent: signal.Signals) -> None:
    command = [sys.executable, "-m", "tests.engine.parent", state]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        try:
            assert parent.stdout
            said, pid = parent.stdout.readline().split()
            assert said == state and is_alive(int(pid))
            parent.send_signal(sent)
            assert asyncio.run(is_gone(int(pid)))
            parent.wait(5)
        finally:
            parent.kill()


@pytest.mark.parametrize("state", ["idle", "long-step"])
def test_a_parent_that_ends_without_a_stop_does_not_hang(state: str) -> None:
    command = [sys.executable, "-m", "tests.engine.parent", state, "and-leave"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=True)
    assert asyncio.run(is_gone(int(done.stdout.split()[1]), 1.0))


def test_neither_the_parent_nor_the_mock_engine_imports_torch() -> None:
    script = (
        "import sys\n"
        "import inference.backends, inference.backends.local, inference.backends.mock\n"
        "import inference.engine.process, inference.engine.child, inference.engine.mock_runner\n"
        "import inference.text.tokenizer, inference.text.chat_template, inference.text.context\n"
        "from transformers import PreTrainedTokenizerFast\n"
        "print([name for name in ('torch', 'django') if name in sys.modules])"
    )
    output = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "[]"


def test_an_exit_code_is_told_in_words() -> None:
    assert "SIGSEGV" in describe_exit(-11)
    assert "-200" in describe_exit(-200)
    assert "70" in describe_exit(70)
