"""The page `/metrics`: totals and gauges from the database, in the words that Prometheus reads.

Any web process gives the whole site's answer, as it says nothing of itself.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import product

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector
from prometheus_client.utils import INF, floatToGoString

from inference.models import WorkerNode
from inference.telemetry.definitions import COUNTERS, HISTOGRAMS, KNOWN, Counter, Histogram
from inference.telemetry.gauges import gauges
from inference.telemetry.series import decoded, label_value
from inference.telemetry.store import stored_totals

LabelValues = tuple[str, ...]
# By name: of each series its labels and its value.
Stored = dict[str, list[tuple[dict[str, str], float]]]


def exposition(accept: str = "") -> tuple[bytes, str]:
    """The page and its content type: OpenMetrics for those who accept it."""
    encode, content_type = choose_encoder(accept)
    return encode(_registry), content_type


class QueueCollector(Collector):
    """Reads everything anew at each scrape."""

    def collect(self) -> Iterator[Metric]:
        stored: Stored = defaultdict(list)
        for (name, labels), value in stored_totals():
            stored[name].append((decoded(labels), value))
        models = _models(stored)
        for counter in COUNTERS:
            yield _counted(counter, stored, models)
        for histogram in HISTOGRAMS:
            yield _observed(histogram, stored, models)
        yield from gauges()

    def describe(self) -> Iterable[Metric]:
        return []  # or registering would ask the database for the names


def _models(stored: Stored) -> set[str]:
    """Those that have answered, and those of today's workers."""
    rows = WorkerNode.objects.exclude(model="").values_list("model", flat=True).distinct()
    told = {labels.get("model_name", "") for series in stored.values() for labels, _ in series}
    return {*map(label_value, rows), *told} - {""}


def _counted(counter: Counter, stored: Stored, models: set[str]) -> CounterMetricFamily:
    family = CounterMetricFamily(counter.name, counter.help, labels=counter.labels)
    known = models | {""} if counter.unclaimed_too else models
    values = dict.fromkeys(_known(counter.labels, known), 0.0)
    for labels, value in stored[counter.name]:
        key = _values(counter.labels, labels)
        values[key] = values.get(key, 0.0) + value
    for key, value in sorted(values.items()):
        family.add_metric(key, value)
    return family


def _observed(histogram: Histogram, stored: Stored, models: set[str]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(histogram.name, histogram.help, labels=histogram.labels)
    bounds = [*histogram.buckets, INF]
    counts: dict[LabelValues, list[float]] = defaultdict(lambda: [0.0] * len(bounds))
    sums: dict[LabelValues, float] = defaultdict(float)
    for labels, value in stored[f"{histogram.name}_bucket"]:
        # A bound of another version goes into the next larger bucket of this one.
        counts[_values(histogram.labels, labels)][bisect_left(bounds, float(labels["le"]))] += value
    for labels, value in stored[f"{histogram.name}_sum"]:
        sums[_values(histogram.labels, labels)] += value
    for key in sorted({*_known(histogram.labels, models), *counts}):
        family.add_metric(key, _cumulative(bounds, counts[key]), sums[key])
    return family


def _cumulative(bounds: list[float], counts: list[float]) -> list[tuple[str, float]]:
    so_far = 0.0
    found = []
    for bound, count in zip(bounds, counts, strict=True):
        so_far += count
        found.append((floatToGoString(bound), so_far))
    return found


def _known(names: Iterable[str], models: set[str]) -> Iterable[LabelValues]:
    return product(*(models if name == "model_name" else KNOWN[name] for name in names))


def _values(names: Iterable[str], labels: dict[str, str]) -> LabelValues:
    return tuple(labels.get(name, "") for name in names)


_registry = CollectorRegistry()
_registry.register(QueueCollector())
