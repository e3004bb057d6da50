"""The totals of all processes: rows that everybody adds to.

Adding is one statement, so that no process overwrites another's, and its rows stand in one order,
so that no two wait for each other.
"""

from collections.abc import Iterator, Mapping
from itertools import chain

from django.db import connection

from inference.models import MetricTotal
from inference.telemetry.totals import Series

_ADD = """
INSERT INTO inference_metrictotal (name, labels, value) VALUES {ROWS}
ON CONFLICT (name, labels)
DO UPDATE SET value = inference_metrictotal.value + excluded.value
"""


def add_totals(deltas: Mapping[Series, float]) -> None:
    """All of them or none."""
    rows = [(name, labels, value) for (name, labels), value in sorted(deltas.items())]
    sql = _ADD.replace("{ROWS}", ", ".join(["(%s, %s, %s)"] * len(rows)))
    with connection.cursor() as cursor:
        cursor.execute(sql, list(chain.from_iterable(rows)))


def stored_totals() -> Iterator[tuple[Series, float]]:
    for name, labels, value in MetricTotal.objects.values_list("name", "labels", "value"):
        yield (name, labels), value
