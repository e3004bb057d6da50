"""From tokens to text that may be shown, with everything that can be in the way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.backends.answer import Answer
from inference.engine.sampling_params import SamplingParams
from tests.text.test_detokenizer import whole
from tests.text.test_stop_strings import reference
from tests.text.tokenizers import byte_level, sentencepiece

TOKENIZERS = {"byte-level": byte_level(), "sentencepiece": sentencepiece()}
TOKENIZER = TOKENIZERS["byte-level"]
PROMPT = TOKENIZER.encode("user\n")


def an_answer(**params: Any) -> Answer:
    return Answer(TOKENIZER, PROMPT, SamplingParams(**params), {2})


def said(answer: Answer, ids: list[int]) -> str:
    return "".join(answer.push(id) for id in ids) + answer.flush()


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(alphabet="ab世👩‍👧 ", max_size=20),
    stops=st.lists(st.text(alphabet="ab世👩", min_size=1, max_size=3), max_size=3),
    cut=st.integers(0, 40),
)
def test_a_resumed_answer_says_the_rest_exactly(text: str, stops: list[str], cut: int) -> None:
    ids = TOKENIZER.encode(text)
    whole = an_answer(stop=tuple(stops))
    expected = said(whole, ids)
    first = an_answer(stop=tuple(stops))
    before = "".join(first.push(id) for id in ids[:cut])
    second = an_answer(stop=tuple(stops))
    assert second.resume(ids[:cut], before) == ""
    rest = "" if second.stopped else said(second, ids[cut:])
    assert before + rest == expected


PIECES = [
    "世界",
    "👩‍👩‍👧‍👦",
    "🇯🇵",
    "👍🏽",
    "é",
    "e\u0301",
    "こんにちは",
    "hello",
    " ",
    "\n",
    "ab",
    "🙂",
]


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_streamed_text_is_the_reference_cut_of_the_whole_text(
    kind: str, data: st.DataObject
) -> None:
    """Random tokens between real text: halves of characters, bytes, joined emoji and all."""
    tokenizer = TOKENIZERS[kind]
    prompt = tokenizer.encode("user\n")
    width = tokenizer._rust.get_vocab_size()
    anything = st.lists(st.integers(0, width - 1), max_size=4)
    real = st.sampled_from(PIECES).map(tokenizer.encode)
    made = sum(data.draw(st.lists(st.one_of(real, anything), max_size=12)), [])
    full = whole(tokenizer, prompt, made).replace("\x00", "\ufffd")
    inside = st.integers(0, max(0, len(full) - 1)).flatmap(
        lambda at: st.integers(1, 6).map(lambda length: full[at : at + length])
    )
    stop = st.one_of(inside.filter(bool), st.text(alphabet="世‍👩🇯ab ", min_size=1, max_size=3))
    stops = data.draw(st.lists(stop if full else st.just("a"), max_size=3))
    answer = Answer(tokenizer, prompt, SamplingParams(stop=tuple(stops)))
    shown = ""
    for token in made:
        shown += answer.push(token)
        assert reference(full, stops).startswith(shown)
        if answer.stopped:
            break
    else:
        shown += answer.flush()
    assert shown == reference(full, stops)


def test_text_that_was_made_but_not_published_comes_out_on_resume() -> None:
    ids = TOKENIZER.encode("hello world")
    answer = an_answer()
    assert answer.resume(ids, "hello") == " world"


def test_stop_tokens_are_silent() -> None:
    assert said(an_answer(), [*TOKENIZER.encode("hi"), 2]) == "hi"


def test_a_stop_string_before_min_tokens_is_text() -> None:
    ids = TOKENIZER.encode("aXbXc")
    assert said(an_answer(stop=("X",)), ids) == "a"
    assert said(an_answer(stop=("X",), min_tokens=3), ids) == "aXb"


def test_nul_can_be_stored() -> None:
    assert said(an_answer(), TOKENIZER.encode("a\x00b")) == "a\ufffdb"
