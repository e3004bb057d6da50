"""Makes a chat fit the model's context: drops the oldest turns, keeps the system's message.

Knows lengths; how messages become tokens is passed in.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inference.text.chat_template import Message
from inference.text.errors import InvalidPrompt, TooLong

Encode = Callable[[Sequence[Message]], list[int]]


@dataclass(frozen=True)
class FittedPrompt:
    token_ids: list[int]
    max_tokens: int
    truncated: bool


def fit(
    messages: Sequence[Message], encode: Encode, max_model_len: int, max_tokens: int
) -> FittedPrompt:
    """The longest recent part of the chat that leaves room for an answer. Raises TooLong."""
    reserve = min(max_tokens, max(16, max_model_len // 4))
    budget = max_model_len - reserve
    system, turns = _split(messages)

    def encoded(dropped: int) -> list[int]:
        return encode(system + [message for turn in turns[dropped:] for message in turn])

    token_ids, dropped = encoded(0), 0
    if len(token_ids) > budget:
        # Fewer turns never make more tokens: search for the first cut that fits.
        dropped = bisect_left(
            range(len(turns) - 1), True, key=lambda cut: len(encoded(cut)) <= budget
        )
        token_ids = encoded(dropped)
    if len(token_ids) > budget:
        raise TooLong(
            f"The message is too long for this model: it makes {len(token_ids)} tokens, "
            f"and {max(0, budget)} fit."
        )
    room = max_model_len - len(token_ids)
    return FittedPrompt(token_ids, min(max_tokens, room), truncated=dropped > 0)


def _split(messages: Sequence[Message]) -> tuple[list[Message], list[list[Message]]]:
    system = [message for message in messages[:1] if message.get("role") == "system"]
    turns = _turns(messages[len(system) :])
    if not turns:
        raise InvalidPrompt("There is no message to answer.")
    return system, turns


def _turns(messages: Sequence[Message]) -> list[list[Message]]:
    """Each turn begins with a message of the user; the newest message is always in the last."""
    turns: list[list[Message]] = []
    for message in messages:
        if message.get("role") == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns
