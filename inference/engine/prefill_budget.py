"""How many prompt tokens a step may take on, so that those who are answered hardly notice.

Two rules. A prompt that can be read within a moment is read at once: one pause of that length, at
most one a second, is not seen, and who waits for the answer waits less. A longer one is read
beside the others in chunks that make their steps only a little longer. Alone, a prompt is read in
chunks of a second at most, so that commands are heard.

Pure arithmetic over measured step times; knows no sequences.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# How much longer than a step without prefill a step with it should take.
SLOWDOWN = 2.0
# Chunks grow by this part of their size while they may, and shrink to half at most at once.
GROWTH = 0.125
SHRINKING = 0.5
# A pause of this many seconds may be made, and the next one only after the second number.
PAUSE = 0.25
BETWEEN_PAUSES = 1.0
LONGEST_STEP = 1.0
FIRST = 128  # tokens, while nothing is known of the machine
# How much a new measurement weighs, as machines change speed.
WEIGHT = 0.2


class PrefillBudget:
    """Learns the seconds of a decode step and of a prompt token, and feels for the size of chunks.

    ``most`` bounds a step's memory; ``least`` makes sure that every prompt gets on, however slow
    the machine.
    """

    def __init__(
        self,
        most: int,
        least: int,
        slowdown: float = SLOWDOWN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self.least = least
        self._slowdown = slowdown
        self._clock = clock
        self._paused_at = float("-inf")
        self._chunk = float(least)
        self._step_seconds: float | None = None
        self._token_seconds: float | None = None

    def chunk(self, decoding: int) -> int:
        """Prompt tokens for a step in which ``decoding`` sequences wait for their token."""
        if decoding:
            return int(self._chunk)
        if self._token_seconds is None:
            return min(self._most, FIRST)
        fitting = int(LONGEST_STEP / max(self._token_seconds, 1e-9))
        return max(self.least, min(fitting, self._most))

    def tokens_of_a_pause(self) -> int:
        """How many can be read at once now, while others wait."""
        rested = self._clock() - self._paused_at >= BETWEEN_PAUSES
        if self._token_seconds is None or not rested:
            return 0
        return min(self._most, int(PAUSE / max(self._token_seconds, 1e-9)))

    def pause(self) -> None:
        """One is made now."""
        self._paused_at = self._clock()

    def record(self, decoding: int, prefilled: int, seconds: float) -> None:
        """Of the step that is over."""
        if not prefilled:
            self._step_seconds = _blend(self._step_seconds, seconds)
            return
        if prefilled >= self._bulk:
            beside = (self._step_seconds or 0.0) if decoding else 0.0
            spent = max(seconds - beside, 0.0) / prefilled
            self._token_seconds = _blend(self._token_seconds, spent)
        if decoding and self._step_seconds is not None and prefilled <= self._chunk:
            self._feel(prefilled, seconds / (self._slowdown * self._step_seconds))

    def _feel(self, prefilled: int, share: float) -> None:
        """``share`` of the time that a step with a chunk should take.

        No model of what a chunk costs: that depends on the length of the prompt before it, too.
        """
        if share > 1.0:
            self._chunk = max(self.least, self._chunk * max(SHRINKING, 1.0 / share))
        elif prefilled == int(self._chunk):
            self._chunk = min(self._most, self._chunk + max(1.0, GROWTH * self._chunk))

    @property
    def _bulk(self) -> int:
        """Chunks of this size cost per token what larger ones do."""
        return min(self._most, max(self._most // 16, self.least + 1))


def _blend(old: float | None, new: float) -> float:
    """What took less than half of what was believed shows that a disturbance was believed."""
    if old is None or new < old / 2:
        return new
    return old + WEIGHT * (new - old)
