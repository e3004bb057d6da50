"""Ends a text before the first stop string, holding back no more than it must.

The string that is complete first wins, whatever pieces the text arrives in; of two that are
complete at once, the longer.
"""

from __future__ import annotations

from collections.abc import Sequence


class StopStrings:
    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.matched = False

    def push(self, text: str) -> str:
        """The text that may be shown now. After a match nothing comes any more."""
        if self.matched:
            return ""
        text = self._held + text
        cut = self._find(text)
        if cut is not None:
            self.matched, self._held = True, ""
            return text[:cut]
        shown = len(text) - self._held_length(text)
        self._held = text[shown:]
        return text[:shown]

    def flush(self) -> str:
        """What was held back, when the text ends by itself."""
        held, self._held = self._held, ""
        return held

    def _find(self, text: str) -> int | None:
        found = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        return min(found)[1] if found else None

    def _held_length(self, text: str) -> int:
        """Length of the longest end of the text that begins a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
