"""Links to the years, months and days of the history, from the calendar.

Django's own asks the database for all distinct dates, which reads every row there is.
"""

from calendar import monthrange
from collections.abc import Iterator
from datetime import date
from typing import Any

from django.utils import formats, timezone
from django.utils.dates import MONTHS
from django.utils.translation import gettext as _

from inference.models import GenerationRequest
from inference.queue.days import today

_FIELD = "submitted_at"
_YEAR, _MONTH, _DAY = (f"{_FIELD}__{part}" for part in ("year", "month", "day"))


def date_links(listed: Any) -> dict[str, Any]:
    """For the template `admin/date_hierarchy.html`; `listed` is the admin's change list."""
    year, month, day = (_chosen(listed, name) for name in (_YEAR, _MONTH, _DAY))
    if year and month and not 1 <= month <= 12:
        return {"show": False}
    if year and month:
        return {
            "show": True,
            "back": _link(listed, str(year), {_YEAR: year}),
            "choices": [_of_day(listed, one) for one in _days(year, month, day)],
        }
    if year:
        back = _link(listed, _("All dates"), {})
        return {"show": True, "back": back, "choices": list(_months(listed, year))}
    return {"show": True, "choices": list(_newest_months(listed))}


def _chosen(listed: Any, name: str) -> int:
    value = str(listed.params.get(name) or "")
    return int(value) if value.isdecimal() and len(value) <= 4 else 0


def _days(year: int, month: int, day: int) -> list[date]:
    last = monthrange(year, month)[1]
    numbers = [day] if 1 <= day <= last else range(1, last + 1)
    return [date(year, month, number) for number in numbers]


def _of_day(listed: Any, day: date) -> dict[str, str]:
    words = formats.date_format(day, "MONTH_DAY_FORMAT")
    return _link(listed, words, {_YEAR: day.year, _MONTH: day.month, _DAY: day.day})


def _months(listed: Any, year: int) -> Iterator[dict[str, str]]:
    for number, name in MONTHS.items():
        yield _link(listed, str(name).capitalize(), {_YEAR: year, _MONTH: number})


def _newest_months(listed: Any) -> Iterator[dict[str, str]]:
    """From the oldest request to now: years, or months if that is in one year."""
    oldest = GenerationRequest.objects.order_by("id").values_list(_FIELD, flat=True).first()
    last = today()
    first = timezone.localtime(oldest).date() if oldest else last
    if first.year != last.year:
        for year in range(first.year, last.year + 1):
            yield _link(listed, str(year), {_YEAR: year})
        return
    for number in range(first.month, last.month + 1):
        words = formats.date_format(date(last.year, number, 1), "YEAR_MONTH_FORMAT")
        yield _link(listed, words, {_YEAR: last.year, _MONTH: number})


def _link(listed: Any, title: str, chosen: dict[str, int]) -> dict[str, str]:
    return {"title": title, "link": listed.get_query_string(chosen, [f"{_FIELD}__"])}
