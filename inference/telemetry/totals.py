"""What one process has counted since it last wrote it down. Knows no database and no metric."""

import threading
from collections import defaultdict
from collections.abc import Mapping

# A name, and labels as `series.encoded` writes them.
Series = tuple[str, str]
Deltas = dict[Series, float]


class Totals:
    """Sums by series; any thread may add, one at a time takes what there is."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sums: defaultdict[Series, float] = defaultdict(float)

    def add(self, amounts: Mapping[Series, float]) -> None:
        """All of it or nothing, as seen by whoever takes."""
        with self._lock:
            for series, amount in amounts.items():
                self._sums[series] += amount

    def take(self) -> Deltas:
        """What was added since the last call; it is the caller's now."""
        with self._lock:
            taken = dict(self._sums)
            self._sums.clear()
        return taken
