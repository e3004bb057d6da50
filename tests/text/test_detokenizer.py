"""Streamed text is the text of the whole answer, for any tokens and any tokenizer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.text.detokenizer import PROMPT_TAIL, Detokenizer
from inference.text.tokenizer import Tokenizer
from tests.text.tokenizers import byte_level, sentencepiece

TOKENIZERS = {"byte-level": byte_level(), "sentencepiece": sentencepiece()}
TEXTS = ["", "user\n", "hello", "日本", "<|im_start|>assistant\n", "👩‍👩‍👧‍👦 "]


def streamed(tokenizer: Tokenizer, prompt: list[int], made: list[int]) -> list[str]:
    detokenizer = Detokenizer(tokenizer, prompt)
    return [detokenizer.push(token) for token in made] + [detokenizer.flush()]


def whole(tokenizer: Tokenizer, prompt: list[int], made: list[int]) -> str:
    """The reference: everything decoded at once, the prompt's text cut off."""
    tail = prompt[-PROMPT_TAIL:]
    return tokenizer.decode([*tail, *made])[len(tokenizer.decode(tail)) :]


def token_ids(tokenizer: Tokenizer) -> st.SearchStrategy[list[int]]:
    width = tokenizer._rust.get_vocab_size()
    return st.lists(st.integers(0, width - 1), max_size=30)


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=400, deadline=None)
@given(data=st.data(), prompt=st.sampled_from(TEXTS))
def test_random_tokens_stream_to_their_full_decode(
    kind: str, data: st.DataObject, prompt: str
) -> None:
    tokenizer = TOKENIZERS[kind]
    made = data.draw(token_ids(tokenizer))
    ids = tokenizer.encode(prompt)
    assert "".join(streamed(tokenizer, ids, made)) == whole(tokenizer, ids, made)


@pytest.mark.parametrize("kind", TOKENIZERS)
@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet="aé世界こ👩‍👧🇯🇵👍🏽 \n\ufffd<0x>", max_size=25))
def test_real_text_streams_whole_characters(kind: str, text: str) -> None:
    tokenizer = TOKENIZERS[kind]
    prompt = tokenizer.encode("user\n")
    made = tokenizer.encode(text)
    pieces = streamed(tokenizer, prompt, made)
    assert "".join(pieces) == whole(tokenizer, prompt, made)
    if "\ufffd" not in text:
        assert "\ufffd" not in "".join(pieces)


def test_text_comes_as_soon_as_a_character_is_complete() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    made = tokenizer.encode("あA")
    detokenizer = Detokenizer(tokenizer, tokenizer.encode("x"))
    pieces = [detokenizer.push(token) for token in made]
    assert [piece for piece in pieces if piece] == ["あ", "A"]
    assert detokenizer.flush() == ""


def test_every_token_of_plain_text_comes_at_once() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    made = tokenizer.encode("hello world, the dog")
    assert all(streamed(tokenizer, tokenizer.encode("user\n"), made)[:-1])


def test_a_half_character_comes_out_at_the_end() -> None:
    tokenizer = TOKENIZERS["byte-level"]
    first = tokenizer.encode("世")[0]
    assert streamed(tokenizer, [], [first]) == ["", "\ufffd"]


def test_words_keep_the_space_before_them() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    made = tokenizer.encode("hello world hello")
    assert streamed(tokenizer, tokenizer.encode("hello"), made)[:-1] == [
        " hello",
        " world",
        " hello",
    ]
    # Without text before it a first word has no space, as when all is decoded at once.
    assert "".join(streamed(tokenizer, [], made)) == "hello world hello"


def test_control_tokens_are_no_text_and_do_not_eat_spaces() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    hello, world = tokenizer.encode("hello world")
    end = next(iter(tokenizer.eos_token_ids))
    made = [hello, end, world, end]
    assert "".join(streamed(tokenizer, [hello], made)) == " hello world"


def test_bytes_wait_for_the_end_of_their_run() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    made = [*tokenizer.encode("界界")[1:], tokenizer.encode("hello")[0]]
    pieces = streamed(tokenizer, tokenizer.encode("hello"), made)
    assert pieces[:6] == [""] * 6
    assert pieces[6] == "界界 hello"


def test_a_control_token_does_not_end_a_run_of_bytes() -> None:
    tokenizer = TOKENIZERS["sentencepiece"]
    half, control, other = tokenizer.encode_plain("\x00")[-1], 1, 3 + 0x80
    made = [half, control, other]
    assert "".join(streamed(tokenizer, [], made)) == whole(tokenizer, [], made) == "\ufffd\ufffd"
