"""A page of `/metrics` as Prometheus reads it, and what a strict reader finds wrong with it."""

import math
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]
_NOT_BASE_UNITS = re.compile(r"_(ms|milliseconds|minutes|hours|kilobytes|megabytes)(_|$)")


class Page:
    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))

    def samples(self, name: str, **labels: str) -> list[float]:
        """Values of the series of this name with at least these labels."""
        return [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]

    def sum(self, name: str, **labels: str) -> float:
        return sum(self.samples(name, **labels))

    def lasting(self) -> dict[tuple[str, Labels], float]:
        """Every series of a counter or a histogram; these are the same wherever one asks."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in self.families
            if family.type in ("counter", "histogram")
            for sample in family.samples
        }

    def names(self) -> set[str]:
        """Of families, as the documentation and HELP lines have them."""
        return {
            family.name + ("_total" if family.type == "counter" else "") for family in self.families
        }


def problems(text: str) -> list[str]:
    """What `promtool check metrics` looks for; by it too, where it is installed."""
    page = Page(text)
    found = [*_header_problems(text), *_duplicates(page)]
    for family in page.families:
        found += _name_problems(family)
        if family.type == "histogram":
            found += _histogram_problems(family)
    if program := shutil.which("promtool"):
        command = [program, "check", "metrics"]
        checked = subprocess.run(command, input=text, capture_output=True, text=True)
        found += checked.stderr.splitlines() if checked.returncode else []
    return found


def _header_problems(text: str) -> Iterator[str]:
    """Each series stands below one HELP and one TYPE of its own family."""
    if not text.endswith("\n"):
        yield "no newline at the end"
    headers = Counter(tuple(line.split()[1:3]) for line in text.splitlines() if line[:1] == "#")
    yield from (f"{kind} of {name} comes {n} times" for (kind, name), n in headers.items() if n > 1)
    family, its = "", re.compile("")
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            family = line.split()[2]
            its = re.compile(rf"{family}(_bucket|_sum|_count)?[{{ ]")
            if ("HELP", family) not in headers:
                yield f"{family} has no HELP"
        elif not line.startswith("#") and not its.match(line):
            yield f"{line} stands below {family}"


def _name_problems(family: Metric) -> Iterator[str]:
    if family.type == "unknown":
        yield f"{family.name} has no type"
    if family.type != "counter" and family.name.endswith(("_total", "_count", "_bucket")):
        yield f"{family.name} is no counter"
    if family.type == "counter" and any(not s.name.endswith("_total") for s in family.samples):
        yield f"the counter {family.name} does not end in _total"
    if _NOT_BASE_UNITS.search(family.name):
        yield f"{family.name} is not in a base unit"
    if not family.documentation.endswith("."):
        yield f"{family.name} is not described in a sentence"
    if any(not math.isfinite(sample.value) for sample in family.samples):
        yield f"{family.name} has a value that is no number"


def _duplicates(page: Page) -> Iterator[str]:
    every = Counter(
        (sample.name, tuple(sorted(sample.labels.items())))
        for family in page.families
        for sample in family.samples
    )
    yield from (f"{series} comes {times} times" for series, times in every.items() if times > 1)


def _histogram_problems(family: Metric) -> Iterator[str]:
    buckets: dict[Labels, list[tuple[float, float]]] = {}
    others: dict[tuple[str, Labels], float] = {}
    for sample in family.samples:
        labels = tuple(sorted((n, v) for n, v in sample.labels.items() if n != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(sample.labels["le"]), sample.value))
        else:
            others[(sample.name, labels)] = sample.value
    for labels, found in buckets.items():
        counts = [count for _, count in found]
        if found != sorted(found) or counts != sorted(counts):
            yield f"buckets of {family.name} {labels} do not grow"
        if found[-1] != (math.inf, others.get((f"{family.name}_count", labels))):
            yield f"the last bucket of {family.name} {labels} is not its count"
        if (f"{family.name}_sum", labels) not in others:
            yield f"{family.name} {labels} has no sum"
