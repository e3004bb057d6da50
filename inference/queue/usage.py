"""What was used in a period: by person, by kind of person, by model, by day.

The sum of two parts: ended requests that are still in the history, and `UsageDay` for those that
were pruned from it. No request is in both. Reads only.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from django.contrib.auth.models import Group
from django.db.models import BigIntegerField, Count, FloatField, Func, QuerySet, Sum
from django.db.models.functions import Coalesce

from inference.metrics import seconds_between
from inference.models import GenerationRequest, UsageDay
from inference.queue.days import day_of, next_day, start_of, today

By = Literal["user_id", "group", "model", "day"]


@dataclass(frozen=True)
class Period:
    """Whole days, the last one included."""

    first: date
    last: date

    @classmethod
    def of_last(cls, days: int) -> "Period":
        """This many days, of which today is the last."""
        last = today()
        return cls(last - timedelta(days=days - 1), last)

    def days(self) -> list[date]:
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]


@dataclass(frozen=True)
class Usage:
    """Sums over requests. `queue_seconds`: from submitted to claimed, or to the end without."""

    requests: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_seconds: float = 0.0

    @classmethod
    def of_request(cls, row: GenerationRequest) -> "Usage":
        waited = seconds_between(row.submitted_at, row.claimed_at or row.ended_at) or 0.0
        return cls(1, row.prompt_tokens, row.cached_tokens, row.completion_tokens, waited)

    @classmethod
    def of_day(cls, row: UsageDay) -> "Usage":
        return cls(**{name: getattr(row, name) for name in _SUMMED})

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(**{name: getattr(self, name) + getattr(other, name) for name in _SUMMED})

    def values(self) -> tuple[int | float, ...]:
        return tuple(getattr(self, name) for name in _SUMMED)

    @property
    def tokens(self) -> int:
        """What the engine computed, which is what quotas count."""
        return max(0, self.prompt_tokens - self.cached_tokens) + self.completion_tokens

    @property
    def mean_queue_seconds(self) -> float:
        return self.queue_seconds / self.requests if self.requests else 0.0


_SUMMED = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens", "queue_seconds")


def usage_by(by: By, period: Period, user_id: int | None = None) -> dict[Any, Usage]:
    """The usage of a period, of everybody or of one person, for each value of `by`."""
    return {key: used for (key,), used in _summed(period, user_id, by).items()}


def usage_by_group(period: Period) -> dict[tuple[str, str], Usage]:
    """By groups of people, as ("group", its name); of those in none by their kind at the time, as
    ("kind", `queue.policy.Group`). Somebody in two groups counts in each.
    """
    groups: dict[int, list[str]] = defaultdict(list)
    for name, member in Group.objects.values_list("name", "user").order_by("name"):
        groups[member].append(name)
    found: dict[tuple[str, str], Usage] = defaultdict(Usage)
    for (user, kind), used in _summed(period, None, "user_id", "group").items():
        for key in [("group", name) for name in groups.get(user, ())] or [("kind", kind)]:
            found[key] += used
    return dict(found)


def tokens_a_day(period: Period, by_day: Mapping[date, Usage]) -> list[tuple[date, int]]:
    """Computed tokens of every day of the period, also of those without any."""
    return [(day, by_day[day].tokens if day in by_day else 0) for day in period.days()]


def total(parts: Iterable[Usage]) -> Usage:
    return sum(parts, Usage())


def _summed(period: Period, user_id: int | None, *by: By) -> dict[tuple[Any, ...], Usage]:
    found: dict[tuple[Any, ...], Usage] = defaultdict(Usage)
    for rows, sums in ((_history(period), _OF_HISTORY), (_pruned(period), _OF_DAYS)):
        if user_id is not None:
            rows = rows.filter(user_id=user_id)
        names = [_column(rows.model, name) for name in by]
        for row in rows.order_by().values(*names).annotate(**sums):
            key = tuple(_value(name, row[name]) for name in names)
            found[key] += Usage(**{name: row[f"sum_{name}"] for name in _SUMMED})
    return dict(found)


def _column(model: type, name: By) -> str:
    return "quarter" if name == "day" and model is GenerationRequest else name


def _value(column: str, value: Any) -> Any:
    """Days begin at some quarter of an hour of UTC, whatever the time zone."""
    return day_of(datetime.fromtimestamp(value * 900, UTC)) if column == "quarter" else value


def _history(period: Period) -> QuerySet[Any]:
    rows = GenerationRequest.objects.filter(
        ended_at__isnull=False,  # the condition of the index
        ended_at__gte=start_of(period.first),
        ended_at__lt=start_of(next_day(period.last)),
    )
    return rows.annotate(quarter=_Quarter("ended_at"))


def _pruned(period: Period) -> QuerySet[Any]:
    return UsageDay.objects.filter(day__gte=period.first, day__lte=period.last)


class _Seconds(Func):
    """From the second moment to the first. In SQLite far faster than Django's own difference."""

    template = "EXTRACT(EPOCH FROM %(expressions)s)"
    arg_joiner = " - "
    output_field = FloatField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        first, second = (compiler.compile(one) for one in self.get_source_expressions())
        sql = f"((julianday({first[0]}) - julianday({second[0]})) * 86400)"
        return sql, (*first[1], *second[1])


class _Quarter(Func):
    """Quarters of an hour since 1970: Django's own days call Python for each row of SQLite."""

    template = "FLOOR(EXTRACT(EPOCH FROM %(expressions)s) / 900)::bigint"
    output_field = BigIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(strftime('%%%%s', %(expressions)s) AS INTEGER) / 900"
        return super().as_sql(compiler, connection, template=template, **context)


_WAITED = _Seconds(Coalesce("claimed_at", "ended_at"), "submitted_at")
_OF_DAYS: dict[str, Any] = {f"sum_{name}": Sum(name) for name in _SUMMED}
_OF_HISTORY = {**_OF_DAYS, "sum_requests": Count("id"), "sum_queue_seconds": Sum(_WAITED)}
