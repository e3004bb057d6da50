"""Counts events in this process, and sees to it that the database hears of them.

There is one of it in each process, whatever the process does, so that nothing is counted twice
where web and worker are one. A process that is killed takes the last two seconds with it.
"""

from inference.telemetry.definitions import Counter, Histogram
from inference.telemetry.flusher import Flusher
from inference.telemetry.series import encoded
from inference.telemetry.store import add_totals
from inference.telemetry.totals import Deltas, Totals

totals = Totals()
flusher = Flusher(totals, add_totals)


def count(counter: Counter, amount: float = 1.0, **labels: str) -> None:
    _add({(counter.name, encoded(labels)): amount})


def observe(histogram: Histogram, value: float | None, **labels: str) -> None:
    """One more event of this size; None is none."""
    if value is not None:
        _add(one_event(histogram, value, labels))


def one_event(histogram: Histogram, value: float, labels: dict[str, str]) -> Deltas:
    """What one event adds. A bucket is stored by itself, without those below it."""
    bound = next((f"{bound:g}" for bound in histogram.buckets if value <= bound), "+Inf")
    return {
        (f"{histogram.name}_bucket", encoded({**labels, "le": bound})): 1.0,
        (f"{histogram.name}_sum", encoded(labels)): value,
    }


def _add(amounts: Deltas) -> None:
    totals.add(amounts)
    flusher.notice()
