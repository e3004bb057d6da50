"""How a series is named in memory and in the database, the same in every process and version."""

import json
from collections.abc import Mapping

LONGEST_VALUE = 120


def encoded(labels: Mapping[str, str]) -> str:
    """Labels in one spelling, short enough for the column whatever somebody called a model."""
    plain = {name: label_value(value) for name, value in labels.items()}
    return json.dumps(plain, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def decoded(labels: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(labels)
    return found


def label_value(value: str) -> str:
    """A text as it stands in a label, so that gauges and totals of one model go together."""
    return "".join(filter(str.isprintable, value))[:LONGEST_VALUE]
