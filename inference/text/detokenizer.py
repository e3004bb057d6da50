"""Turns a growing list of token ids into text that never has to be taken back.

The text is that of the whole answer decoded at once, after the prompt: a character that is not
complete yet is held back, and what comes out joins up exactly. Knows no stop strings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

REPLACEMENT = "\ufffd"
PROMPT_TAIL = 8


class Decoder(Protocol):
    def decode(self, token_ids: Sequence[int]) -> str: ...

    def is_control(self, token_id: int) -> bool:
        """True for a token that is no text."""
        ...

    def is_byte(self, token_id: int) -> bool:
        """True for a byte-fallback token: its text depends on the bytes after it."""
        ...


class Detokenizer:
    """Decodes a window of the newest ids twice, without and with the new one; the rest is new.

    The window begins in what was handed out before (at first: in the prompt's tail), because a
    decoder treats the first token of a text in its own way.
    """

    def __init__(self, decoder: Decoder, prompt_token_ids: Sequence[int] = ()) -> None:
        self._decoder = decoder
        self._ids = list(prompt_token_ids[-PROMPT_TAIL:])
        self._prompt = len(self._ids)
        self._start = 0  # of the window
        self._read = self._prompt  # ids before this one have been handed out as text

    def push(self, token_id: int) -> str:
        """The text that is certain now; may be empty."""
        if self._decoder.is_control(token_id):
            return ""
        self._ids.append(token_id)
        if self._decoder.is_byte(token_id):
            return ""
        before, after = self._window()
        if len(after) <= len(before) or after.endswith(REPLACEMENT):
            return ""
        self._advance()
        return after[len(before) :]

    def flush(self) -> str:
        """What is left at the end, incomplete characters included."""
        before, after = self._window()
        self._advance()
        return after[len(before) :]

    def _window(self) -> tuple[str, str]:
        decode = self._decoder.decode
        return decode(self._ids[self._start : self._read]), decode(self._ids[self._start :])

    def _advance(self) -> None:
        # Only to a place from which there is visible text: behind a lone space mark the next
        # token would be taken for the first of its text.
        if self._decoder.decode(self._ids[self._read :]):
            self._start = self._read
        self._read = len(self._ids)
