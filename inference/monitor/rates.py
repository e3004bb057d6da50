"""Tokens per second of single requests, from how many they have by now. Knows no rows."""

from collections import deque

WINDOW_SECONDS = 4.0


class Rates:
    """Over the last few seconds, as token counts are stored only every half a second."""

    def __init__(self) -> None:
        self._seen: dict[str, deque[tuple[float, int]]] = {}

    def update(self, now: float, tokens: dict[str, int]) -> dict[str, float | None]:
        """Each request's rate; None until it has been seen twice. Forgets those not named."""
        self._seen = {key: self._seen.get(key, deque()) for key in tokens}
        return {key: self._rate(self._seen[key], now, count) for key, count in tokens.items()}

    def _rate(self, seen: deque[tuple[float, int]], now: float, count: int) -> float | None:
        if seen and count < seen[-1][1]:
            seen.clear()  # another attempt
        seen.append((now, count))
        while now - seen[0][0] > WINDOW_SECONDS and len(seen) > 2:
            seen.popleft()
        seconds = now - seen[0][0]
        return round((count - seen[0][1]) / seconds, 1) if seconds > 0 else None
