"""What a person used, for their own eyes: a page, and what is left of today's quota as JSON."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import formats
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from chatsite.chat.actions import group_of
from chatsite.chat.page import quota_data
from chatsite.chat.views import person, signed_in
from inference.queue import quota_today
from inference.queue.usage import Period, Usage, tokens_a_day, total, usage_by

DAYS = 30


@never_cache
@require_safe
@signed_in
def today(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"quota": quota_data(person(request))})


@never_cache
@require_safe
@login_required
def usage(request: HttpRequest) -> HttpResponse:
    """The last days by day and by model, and today's quota."""
    user = person(request)
    period = Period.of_last(DAYS)
    by_day = usage_by("day", period, user.pk)
    by_model = usage_by("model", period, user.pk)
    bars = tokens_a_day(period, by_day)
    quota = quota_today(user.pk, group_of(user))
    context = {
        "days": [_row(day.isoformat(), by_day[day]) for day in sorted(by_day, reverse=True)],
        "models": [_row(name or _("Unknown"), by_model[name]) for name in sorted(by_model)],
        "total": _row(_("Total"), total(by_day.values())),
        "bars": {"days": bars, "most": max(1, *(count for _day, count in bars))},
        "period": period,
        "quota": quota,
        "left": _number(quota.left) if quota else "",
        "limit": _number(quota.limit) if quota else "",
    }
    return render(request, "chat/usage.html", context)


def _row(name: str, used: Usage) -> dict[str, str]:
    return {
        "name": name,
        "requests": _number(used.requests),
        "tokens": _number(used.tokens),
        "completion": _number(used.completion_tokens),
        "queue": f"{used.mean_queue_seconds:,.1f} s",
    }


def _number(value: int) -> str:
    return str(formats.number_format(value, use_l10n=True, force_grouping=True))
