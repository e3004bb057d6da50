"""How many prompt tokens a step may take on, so that those who are answered hardly notice.

Two rules. A prompt that can be read within a moment is read at once: one pause of that length, at
most one a second, is not seen, and who waits for the answer waits less. A longer one is read
beside the others in chunks that make their steps only a little longer.

Pure arithmetic over measured step times; knows no sequences.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# How much longer than a step without prefill a step with it may take.
SLOWDOWN = 1.75
# A pause of this many seconds may be made, and the next one only after the second number.
PAUSE = 0.25
BETWEEN_PAUSES = 1.0
# How much a new measurement weighs: machines change speed, and prefill gets dearer with length.
# What turned out dearer than thought is believed faster, as people wait for it.
WEIGHT = 0.2
WEIGHT_OF_DEARER = 0.6


class PrefillBudget:
    """Learns seconds per decode step, and per prompt token in large chunks and in small ones.

    ``most`` bounds a step's memory and the time until commands are heard; ``least`` makes sure
    that every prompt gets on, however slow the machine.
    """

    def __init__(
        self,
        most: int,
        least: int,
        slowdown: float = SLOWDOWN,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._least = least
        self._slowdown = slowdown
        self._clock = clock
        self._paused_at = float("-inf")
        self._step_seconds: float | None = None
        self._bulk_seconds: float | None = None
        self._beside_seconds: float | None = None

    def tokens(self, decoding: int, unread: int) -> int:
        """For a step in which ``decoding`` sequences wait for their token, of ``unread`` tokens."""
        if not decoding:
            return self._most
        if self._may_pause_for(unread):
            self._paused_at = self._clock()
            return unread
        if self._step_seconds is None or self._beside_seconds is None:
            return self._least
        spare = (self._slowdown - 1.0) * self._step_seconds
        fitting = int(spare / max(self._beside_seconds, 1e-9))
        return max(self._least, min(fitting, self._most))

    def record(self, decoding: int, prefilled: int, seconds: float) -> None:
        """Of the step that is over."""
        if not prefilled:
            self._step_seconds = _blend(self._step_seconds, seconds, WEIGHT)
            return
        beside = (self._step_seconds or 0.0) if decoding else 0.0
        spent = max(seconds - beside, 0.0) / prefilled
        if self._is_bulk(prefilled):
            self._bulk_seconds = _learn(self._bulk_seconds, spent)
        if decoding and self._step_seconds is not None:
            self._beside_seconds = _learn(self._beside_seconds, spent)

    def _may_pause_for(self, unread: int) -> bool:
        if self._bulk_seconds is None or not 0 < unread <= self._most:
            return False
        rested = self._clock() - self._paused_at >= BETWEEN_PAUSES
        return rested and unread * self._bulk_seconds <= PAUSE

    def _is_bulk(self, prefilled: int) -> bool:
        """Chunks of this size cost per token what larger ones do."""
        return prefilled >= max(self._most // 16, self._least + 1)


def _learn(old: float | None, new: float) -> float:
    dearer = old is not None and new > old
    return _blend(old, new, WEIGHT_OF_DEARER if dearer else WEIGHT)


def _blend(old: float | None, new: float, weight: float) -> float:
    return new if old is None else old + weight * (new - old)
