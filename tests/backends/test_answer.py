"""From tokens to text that may be shown, with everything that can be in the way."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.backends.answer import Answer
from inference.engine.sampling_params import SamplingParams
from tests.text.tokenizers import byte_level

TOKENIZER = byte_level()
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
