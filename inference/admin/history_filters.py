"""Finding requests in a long history without reading all of it."""

import re
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property
from django.utils.translation import gettext_lazy as _

from inference.admin.shown import KINDS, revealed
from inference.models import GenerationRequest, WorkerNode

Requests = QuerySet[GenerationRequest]

# The list ends here; whoever looks for older ones gives a date.
LISTED_AT_MOST = 10_000
_RECENT = 1000
_FOUND_PEOPLE = 200
_SHORT_ID = re.compile(r"[0-9a-f]{8,32}")


class ShortPaginator(Paginator):  # type: ignore[type-arg]
    """Counts as far as it lists: to count all of a table reads all of it."""

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows.order_by()[:LISTED_AT_MOST].count())


class _OneOf(admin.SimpleListFilter):
    """Compares the column that the filter is named after."""

    def queryset(self, request: HttpRequest, queryset: Requests) -> Requests:
        value = self.value()
        return queryset if value is None else queryset.filter(**{str(self.parameter_name): value})


class ReasonFilter(_OneOf):
    title = _("finish reason")
    parameter_name = "finish_reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        return [(reason, reason) for reason in ("stop", "length", "aborted", "failed")]


class KindFilter(_OneOf):
    title = _("group")
    parameter_name = "group"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return KINDS.items()


class ModelFilter(_OneOf):
    """Models of the newest requests and of the workers: not of all requests that ever were."""

    title = _("model")
    parameter_name = "model"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, str]]:
        newest = GenerationRequest.objects.order_by("-id").values_list("model", flat=True)
        names = {*newest[:_RECENT], *WorkerNode.objects.values_list("model", flat=True)}
        names.update(request.GET.getlist(self.parameter_name))
        return [(name, revealed(name)) for name in sorted(names) if name]


def search(requests: Requests, words: str) -> Requests:
    """By the id of a request, or its first eight characters; by a part of a person's name."""
    people = get_user_model().objects.filter(username__icontains=words.strip())
    keys = list(people.order_by("pk").values_list("pk", flat=True)[:_FOUND_PEOPLE])
    wanted = Q(user__in=keys)
    digits = words.strip().lower().replace("-", "")
    if _SHORT_ID.fullmatch(digits):
        first, last = UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))
        wanted |= Q(public_id__gte=first, public_id__lte=last)
    return requests.filter(wanted)
