"""How many prompt tokens a step may take on, so that those who are answered do not notice.

Pure arithmetic over measured step times; knows no sequences.
"""

from __future__ import annotations

# How much longer than a step without prefill a step with it may take.
SLOWDOWN = 1.6
# How much a new measurement weighs: machines change speed, and prefill gets dearer with length.
# What turned out dearer than thought is believed faster, as people wait for it.
WEIGHT = 0.2
WEIGHT_OF_DEARER = 0.6


class PrefillBudget:
    """Learns seconds per decode step and per prompt token beside it, and divides one by the other.

    ``most`` bounds a step's memory and the time until commands are heard; ``least`` makes sure
    that every prompt gets on, however slow the machine.
    """

    def __init__(self, most: int, least: int, slowdown: float = SLOWDOWN) -> None:
        self._most = most
        self._least = least
        self._slowdown = slowdown
        self._decode_seconds: float | None = None
        self._token_seconds: float | None = None

    def tokens(self, decoding: int) -> int:
        """For a step in which ``decoding`` sequences wait for their token."""
        if not decoding:
            return self._most
        if self._decode_seconds is None or self._token_seconds is None:
            return self._least
        spare = (self._slowdown - 1.0) * self._decode_seconds
        fitting = int(spare / max(self._token_seconds, 1e-9))
        return max(self._least, min(fitting, self._most))

    def record(self, decoding: int, prefilled: int, seconds: float) -> None:
        """Of the step that is over. Prompts by themselves are read in larger, cheaper chunks, so
        that they teach nothing.
        """
        if decoding and not prefilled:
            self._decode_seconds = _blend(self._decode_seconds, seconds, WEIGHT)
        elif decoding and self._decode_seconds is not None:
            spent = max(seconds - self._decode_seconds, 0.0) / prefilled
            dearer = self._token_seconds is not None and spent > self._token_seconds
            weight = WEIGHT_OF_DEARER if dearer else WEIGHT
            self._token_seconds = _blend(self._token_seconds, spent, weight)


def _blend(old: float | None, new: float, weight: float) -> float:
    return new if old is None else old + weight * (new - old)
