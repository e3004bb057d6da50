"""The mock engine's token ids and the text they stand for; shared by both sides of the pipe.

An id below 0x110000 is that Unicode code point; above come role marks and whole words.
"""

from __future__ import annotations

from collections.abc import Sequence

ROLE_MARKS = {"system": 0x110000, "user": 0x110001, "assistant": 0x110002}
WORD_BASE = 0x120000
WORDS: tuple[str, ...] = (
    " the", " queue", " moves", " one", " token", " at", " a", " time,", " and", " everyone",
    " gets", " a", " turn.", " This", " text", " is", " made", " by", " the", " mock", " engine.",
    " こんにちは、", "世界。", "順番に", "一つずつ", "進みます。", "日本語の", "文章も",
    "流れます。", " 👩‍👩‍👧‍👦", " 🚀", " 🇯🇵", " 👍🏽", " ✨", " naïve", " café",
    " **bold**", " *italic*", " `code`", " [link](https://example.org)",
    "\n\n- an item", "\n\n1. a step", "\n\n> a quote", "\n\n", ".\n\n## A heading\n\n",
    "\n\n```python\nprint('hello')\n```\n\n",
)  # fmt: skip


def decode(token_ids: Sequence[int]) -> str:
    return "".join(_text_of(token_id) for token_id in token_ids)


def _text_of(token_id: int) -> str:
    if token_id >= WORD_BASE:
        return WORDS[token_id - WORD_BASE]
    if token_id >= 0x110000 or 0xD800 <= token_id <= 0xDFFF:
        return ""
    return chr(token_id)


def encode_message(role: str, content: str) -> list[int]:
    return [ROLE_MARKS[role], *map(ord, content)]


def newest_message(prompt_token_ids: Sequence[int]) -> str:
    """The text after the last mark of a user."""
    mark = ROLE_MARKS["user"]
    start = max((i for i, token in enumerate(prompt_token_ids) if token == mark), default=-1)
    return decode(prompt_token_ids[start + 1 :])
