"""One table of the usage page: usage of a period by one thing, with its names and its order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.contrib.auth import get_user_model
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.admin.shown import kind_name, number, revealed
from inference.queue.usage import By, Period, Usage, total, usage_by, usage_by_group

TABS: dict[str, str | Promise] = {
    "user": gettext_lazy("By person"),
    "group": gettext_lazy("By group"),
    "model": gettext_lazy("By model"),
    "day": gettext_lazy("By day"),
}
COLUMNS: dict[str, str | Promise] = {
    "requests": gettext_lazy("requests"),
    "tokens": gettext_lazy("computed tokens"),
    "prompt_tokens": gettext_lazy("prompt tokens"),
    "cached_tokens": gettext_lazy("cached tokens"),
    "completion_tokens": gettext_lazy("completion tokens"),
    "mean_queue_seconds": gettext_lazy("mean queue time"),
    "queue_seconds": gettext_lazy("total queue time"),
}
_KEYS: dict[str, By] = {"user": "user_id", "model": "model"}


@dataclass(frozen=True)
class Row:
    """Whose usage it is, in plain text, and the usage."""

    name: str
    used: Usage

    def figures(self) -> list[int | float]:
        return [round(getattr(self.used, column), 3) for column in COLUMNS]

    def cells(self) -> list[str]:
        """The figures for people."""
        shown = zip(COLUMNS, self.figures(), strict=True)
        return [f"{v:,.1f} s" if "seconds" in c else number(int(v)) for c, v in shown]


def rows_of(tab: str, period: Period, by_day: Mapping[date, Usage], sort: str = "") -> list[Row]:
    """Most used first, days newest first, or by the column `sort`."""
    if tab == "group":
        rows = [Row(_group_name(key), used) for key, used in usage_by_group(period).items()]
    else:
        found = by_day if tab == "day" else usage_by(_KEYS[tab], period)
        names = _NAMES[tab](found)
        rows = [Row(names.get(key, "–"), used) for key, used in found.items()]
    rows.sort(key=lambda row: row.name, reverse=tab == "day")
    if sort in COLUMNS or tab != "day":
        column = sort if sort in COLUMNS else "tokens"
        rows.sort(key=lambda row: getattr(row.used, column), reverse=True)
    return rows


def total_row(by_day: Mapping[date, Usage]) -> Row:
    """Of everybody, each request once."""
    return Row(_("Total"), total(by_day.values()))


def _group_name(key: tuple[str, str]) -> str:
    what, name = key
    if what == "group":
        return revealed(name)
    return _("%(kind)s in no group") % {"kind": kind_name(name) or _("people")}


def _names_of_people(found: Mapping[Any, Usage]) -> dict[Any, str]:
    people = get_user_model().objects.in_bulk(list(found))
    return {key: revealed(person.get_username()) for key, person in people.items()}


def _names_of_models(found: Mapping[Any, Usage]) -> dict[Any, str]:
    return {name: revealed(name) if name else _("(no model)") for name in found}


def _names_of_days(found: Mapping[Any, Usage]) -> dict[Any, str]:
    return {day: day.isoformat() for day in found}


_NAMES: dict[str, Callable[[Mapping[Any, Usage]], dict[Any, str]]] = {
    "user": _names_of_people,
    "model": _names_of_models,
    "day": _names_of_days,
}
