"""A token bucket: how fast one socket may talk. Knows nothing of frames."""

import time


class TokenBucket:
    """Holds up to `burst` tokens and gains `rate` of them each second."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = time.monotonic()

    def take(self, cost: float = 1.0) -> bool:
        """Takes `cost` if there is a whole token left; a larger cost leaves a debt."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= cost
        return True

    def charge(self, cost: float) -> None:
        """Takes `cost` for work already done, whatever is left."""
        self._refill()
        self._tokens -= cost

    def seconds_until_ready(self) -> float:
        self._refill()
        return max(0.0, (1.0 - self._tokens) / self._rate)

    def _refill(self) -> None:
        now = time.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
