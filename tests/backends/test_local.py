"""The local backend with a small random model in its real process."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from inference.backends import BackendError, BackendOptions, create_backend
from inference.backends.base import BackendDied, BackendReady, Started, TextDelta
from inference.backends.engine_backend import EngineBackend
from inference.text.chat_template import ChatTemplate
from inference.text.detokenizer import Detokenizer
from inference.text.tokenizer import Tokenizer
from tests.backends.collect import Reader, asking, has_text, running
from tests.engine.models import save_model

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("llama"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(folder: Path) -> AsyncIterator[Reader]:
    """One process for the whole file: it takes seconds to import torch."""
    async with running(create_backend(BackendOptions(model=str(folder), threads=1))) as reader:
        yield reader


@pytest.fixture
def reader(started: Reader) -> Reader:
    return Reader(started.backend)


async def test_the_text_is_that_of_the_tokens(reader: Reader, folder: Path) -> None:
    reader.backend.submit(asking("hello", max_tokens=40, temperature=1.0))
    await reader.ended("a")
    tokenizer = Tokenizer.load(str(folder))
    prompt = ChatTemplate(tokenizer).encode([{"role": "user", "content": "hello"}])
    detokenizer = Detokenizer(tokenizer, prompt)
    expected = "".join(detokenizer.push(id) for id in reader.ids["a"] if id != 2)
    expected += detokenizer.flush()
    assert reader.text["a"] == expected.replace("\x00", "\ufffd") != ""
    started = reader.events[0]
    assert isinstance(started, Started) and started.slot is not None
    assert started == Started("a", len(prompt), 0, False, started.slot)


async def test_running_requests_alternate_and_do_not_change_each_other(reader: Reader) -> None:
    reader.backend.submit(asking("hello", "alone", max_tokens=30, seed=6))
    await reader.ended("alone")
    for name, seed in (("a", 6), ("b", 7), ("c", 8)):
        reader.backend.submit(asking("hello", name, max_tokens=30, seed=seed))
    await reader.ended("a", "b", "c")
    assert reader.ids["a"] == reader.ids["alone"] != reader.ids["b"]
    started = {one.request_id: one for one in reader.events if isinstance(one, Started)}
    assert len({started[name].slot for name in ("a", "b", "c")}) == 3


@pytest.mark.parametrize("cut", [1, 5, 13])
async def test_a_resumed_answer_goes_on_without_a_repetition(reader: Reader, cut: int) -> None:
    reader.backend.submit(asking("hello", "whole", max_tokens=30, temperature=0.9, seed=3))
    await reader.ended("whole")
    deltas = [event for event in reader.events if isinstance(event, TextDelta)][:cut]
    said = "".join(event.text for event in deltas)
    ids = [id for event in deltas for id in event.token_ids]
    resumed = asking("hello", "rest", ids, said, max_tokens=30, temperature=0.9, seed=3)
    reader.backend.submit(resumed)
    await reader.ended("rest")
    assert said + reader.text["rest"] == reader.text["whole"]
    assert ids + reader.ids["rest"] == reader.ids["whole"]
    assert reader.ends["rest"] == reader.ends["whole"]


async def test_an_answer_whose_last_token_was_stored_without_its_end_ends(
    reader: Reader, folder: Path
) -> None:
    (eos,) = Tokenizer.load(str(folder)).eos_token_ids
    reader.backend.submit(asking("hello", "rest", [40, 41, eos], "", max_tokens=30))
    await reader.ended("rest")
    assert (reader.ids["rest"], reader.ends["rest"]) == ([], ["stop"])


async def test_an_answer_of_another_vocabulary_goes_on_from_its_text(
    reader: Reader, folder: Path
) -> None:
    said = "Other tokens: ünï 日本 👩‍👧."
    reader.backend.submit(asking("hello", "rest", [], said, max_tokens=60, temperature=0.0))
    await reader.ended("rest")
    tokenizer = Tokenizer.load(str(folder))
    ids, translated = reader.ids["rest"], tokenizer.encode_plain(said)
    assert ids[: len(translated)] == translated
    assert len(ids) > len(translated)
    # As if this model had said it all.
    reader.backend.submit(asking("hello", "same", translated, said, max_tokens=60, temperature=0.0))
    await reader.ended("same")
    assert reader.text["rest"] == reader.text["same"] != ""
    assert ids == translated + reader.ids["same"]


async def test_an_answer_that_is_too_long_in_the_new_tokens_ends(reader: Reader) -> None:
    reader.backend.submit(asking("hello", "rest", [], "word " * 40, max_tokens=30))
    await reader.ended("rest")
    assert (reader.text["rest"], reader.ends["rest"]) == ("", ["length"])


async def test_a_stop_string_cuts_the_text(reader: Reader) -> None:
    reader.backend.submit(asking("hello", "whole", max_tokens=30, temperature=0.0))
    await reader.ended("whole")
    text = reader.text["whole"]
    stop = text[5:8]
    reader.backend.submit(asking("hello", max_tokens=30, temperature=0.0, stop=(stop,)))
    await reader.ended("a")
    assert reader.text["a"] == text[: text.index(stop)]
    assert reader.ends["a"] == ["stop"]


async def test_an_answer_can_be_aborted_and_the_next_runs(reader: Reader) -> None:
    reader.backend.submit(asking("hi", max_tokens=96))
    await reader.until(has_text)
    reader.backend.abort("a")
    reader.backend.submit(asking("hello", "b", max_tokens=3))
    await reader.ended("a", "b")
    assert reader.ends["a"] in (["aborted"], ["length"], ["stop"])


async def test_what_does_not_fit_fails_and_an_old_turn_goes(reader: Reader) -> None:
    old = [{"role": "user", "content": "x" * 90}, {"role": "assistant", "content": "y"}]
    reader.backend.submit(asking("z" * 500, "long"))
    reader.backend.submit(asking([*old, {"role": "user", "content": "hello"}], max_tokens=20))
    await reader.ended("long", "a")
    assert reader.ends["long"] == ["too_long"]
    started = next(event for event in reader.events if isinstance(event, Started))
    assert started.truncated


async def test_a_killed_engine_comes_back_and_answers(reader: Reader) -> None:
    backend = reader.backend
    assert isinstance(backend, EngineBackend) and backend._client.pid
    os.kill(backend._client.pid, signal.SIGKILL)
    await reader.until(lambda event: isinstance(event, BackendDied))
    await reader.until(lambda event: isinstance(event, BackendReady))
    backend.submit(asking("hello", max_tokens=4))
    await reader.ended("a")


@pytest.mark.parametrize("missing", ["tokenizer.json", "model.safetensors"])
async def test_a_model_that_lacks_a_file_is_refused_in_a_sentence(
    tmp_path: Path, missing: str
) -> None:
    save_model(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(BackendError, match=missing.partition(".")[2]):
        await create_backend(BackendOptions(model=str(tmp_path), threads=1)).start(
            lambda progress: None
        )
