"""What is left out of a chat that is too long, and what never is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.text.chat_template import Message
from inference.text.context import fit
from inference.text.errors import InvalidPrompt, TooLong

SYSTEM = {"role": "system", "content": "s" * 10}


def encode(messages: Sequence[Message]) -> list[int]:
    """One token for each character, and one for each message."""
    return [ord(c) for message in messages for c in "\n" + message["content"]]


def turn(number: int, size: int = 10) -> list[dict[str, str]]:
    return [
        {"role": "user", "content": f"{number}" * size},
        {"role": "assistant", "content": f"{number}" * size},
    ]


def text_of(ids: Sequence[int]) -> str:
    return "".join(map(chr, ids))


def test_a_short_chat_is_left_as_it_is() -> None:
    chat = [SYSTEM, *turn(1), {"role": "user", "content": "new"}]
    fitted = fit(chat, encode, 100, 20)
    assert fitted.token_ids == encode(chat)
    assert (fitted.max_tokens, fitted.truncated) == (20, False)


def test_the_oldest_turns_go_and_the_system_stays() -> None:
    chat = [SYSTEM, *turn(1), *turn(2), *turn(3), {"role": "user", "content": "new"}]
    fitted = fit(chat, encode, 80, 16)
    text = text_of(fitted.token_ids)
    assert fitted.truncated
    assert "ssss" in text and "new" in text and "333" in text and "22" in text
    assert "1" not in text


@settings(max_examples=200, deadline=None)
@given(
    sizes=st.lists(st.integers(0, 60), max_size=12),
    system=st.booleans(),
    limit=st.integers(64, 400),
    max_tokens=st.integers(1, 500),
)
def test_as_many_recent_turns_as_fit_are_kept(
    sizes: list[int], system: bool, limit: int, max_tokens: int
) -> None:
    turns = [turn(number % 10, size) for number, size in enumerate(sizes)]
    newest = {"role": "user", "content": "new"}
    head = [SYSTEM] if system else []
    fitted = fit([*head, *sum(turns, []), newest], encode, limit, max_tokens)
    budget = limit - min(max_tokens, max(16, limit // 4))
    whole = [encode([*head, *sum(turns[cut:], []), newest]) for cut in range(len(turns) + 1)]
    best = next(ids for ids in whole if len(ids) <= budget)
    assert fitted.token_ids == best
    assert fitted.truncated == (best != whole[0])
    assert fitted.max_tokens == min(max_tokens, limit - len(best))


def test_the_answer_is_clipped_to_the_room_that_is_left() -> None:
    fitted = fit([{"role": "user", "content": "x" * 70}], encode, 100, 500)
    assert len(fitted.token_ids) == 71
    assert fitted.max_tokens == 29


@pytest.mark.parametrize("history", [[], turn(1), [SYSTEM]])
def test_only_a_newest_message_that_does_not_fit_is_too_long(history: list[Message]) -> None:
    with pytest.raises(TooLong, match="tokens"):
        fit([*history, {"role": "user", "content": "x" * 90}], encode, 100, 25)


@pytest.mark.parametrize("chat", [[], [SYSTEM]])
def test_a_chat_without_a_message_is_refused(chat: list[Message]) -> None:
    with pytest.raises(InvalidPrompt):
        fit(chat, encode, 100, 10)
