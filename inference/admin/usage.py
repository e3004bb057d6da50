"""The usage page for staff: who used how much in a period, and the same as a CSV file."""

from datetime import date, timedelta
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.admin.csv_files import small_file
from inference.admin.read_only import ReadOnlyAdmin
from inference.admin.usage_table import COLUMNS, TABS, rows_of, total_row
from inference.models import UsageDay
from inference.queue.days import today
from inference.queue.usage import Period, Usage, tokens_a_day, usage_by

LISTED_AT_MOST = 500
LONGEST_DAYS = 366
EARLIEST = date(2000, 1, 1)  # arithmetic on years like 1 fails
CHOICES = (7, 30, 90)


class PeriodForm(forms.Form):
    """`from` and `to`, whole days."""

    first = forms.DateField(label=gettext_lazy("From"), widget=forms.DateInput({"type": "date"}))
    last = forms.DateField(label=gettext_lazy("To"), widget=forms.DateInput({"type": "date"}))

    def clean(self) -> dict[str, Any]:
        first, last = self.cleaned_data.get("first"), self.cleaned_data.get("last")
        if first and last and not _is_period(first, last):
            sentence = _("A period ends today or before, and has 1 to %(days)d days.")
            raise forms.ValidationError(sentence % {"days": LONGEST_DAYS})
        return self.cleaned_data


@admin.register(UsageDay)
class UsageAdmin(ReadOnlyAdmin):
    """Instead of a list of rows: sums over them and over the history."""

    def changelist_view(  # type: ignore[override]
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponseBase:
        if not self.has_view_permission(request):
            raise PermissionDenied
        form, period, days = _period(request)
        tab = request.GET.get("by", "")
        tab = tab if tab in TABS else "user"
        sort = request.GET.get("sort", "")
        by_day: dict[date, Usage] = usage_by("day", period)
        rows = rows_of(tab, period, by_day, sort)
        if request.GET.get("format") == "csv":
            lines = ([row.name, *row.figures()] for row in rows)
            return small_file(f"usage-by-{tab}", [tab, *COLUMNS], lines)
        bars = tokens_a_day(period, by_day)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Usage"),
            "form": form,
            "period": period,
            "periods": [(n, _("%(days)d days") % {"days": n}, n == days) for n in CHOICES],
            "tabs": [(name, title, name == tab) for name, title in TABS.items()],
            "tab": tab,
            "columns": [(name, title, name == sort) for name, title in COLUMNS.items()],
            "rows": rows[:LISTED_AT_MOST],
            "left_out": max(0, len(rows) - LISTED_AT_MOST),
            "total": total_row(by_day),
            "bars": {"days": bars, "most": max(1, *(count for _day, count in bars))},
            "same_period": _address(period, days),
            **(extra_context or {}),
        }
        return TemplateResponse(request, "admin/inference/usageday/change_list.html", context)


def _is_period(first: date, last: date) -> bool:
    is_in_range = EARLIEST <= first <= last <= today()
    return is_in_range and last - first < timedelta(days=LONGEST_DAYS)


def _period(request: HttpRequest) -> tuple[PeriodForm, Period, int]:
    """The form, the period that is asked for, and how many last days that is (0: from … to)."""
    days = next((n for n in CHOICES if request.GET.get("days") == str(n)), 0)
    chosen = Period.of_last(days or 30)
    if days or not {"first", "last"} & request.GET.keys():
        return _filled(chosen), chosen, days or 30
    form = PeriodForm(request.GET)
    if not form.is_valid():
        return form, chosen, 30
    first, last = form.cleaned_data["first"], form.cleaned_data["last"]
    return form, Period(first, last), 0


def _filled(period: Period) -> PeriodForm:
    return PeriodForm(initial={"first": period.first, "last": period.last})


def _address(period: Period, days: int) -> str:
    """The part of an address that asks for the same period again."""
    if days:
        return urlencode({"days": days})
    return urlencode({"first": period.first.isoformat(), "last": period.last.isoformat()})
