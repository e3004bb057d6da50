"""The history of requests: figures for staff; texts only for those who may read them."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.admin import shown, texts
from inference.admin.history_dates import date_links
from inference.admin.history_export import as_csv
from inference.admin.history_filters import (
    LISTED_AT_MOST,
    KindFilter,
    ModelFilter,
    ReasonFilter,
    ShortPaginator,
    search,
)
from inference.admin.read_only import ReadOnlyAdmin
from inference.admin.timeline import timeline_of
from inference.models import TEXT_PARAMS, GenerationRequest
from inference.queue.clock import database_now

# Everything else in the address could ask about texts: `?messages__icontains=…` answers yes or no.
_LOOKUPS = {"id", "public_id", "user", "state", "finish_reason", "model", "worker", "group"}
_LOOKUPS |= {"submitted_at"}


@admin.register(GenerationRequest)
class GenerationRequestAdmin(ReadOnlyAdmin):
    list_display = [
        *("short_id", "person", "state", "kind", "priority", "model_name", "worker", "attempt"),
        *("finish_reason", "submitted_at", "queue_time", "ttft", "decode", "rate"),
        *("prompt_tokens", "cached_tokens", "completion_tokens"),
    ]
    sortable_by = ["short_id"]  # the order of arrival; any other would sort the whole table
    ordering = ["-id"]
    list_filter = ["state", ReasonFilter, ModelFilter, "worker", KindFilter, "submitted_at"]
    date_hierarchy = "submitted_at"
    search_fields = ["public_id", "user__username"]
    search_help_text = gettext_lazy("Id of a request, or part of a person’s name")
    list_select_related = ["user", "worker"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    paginator = ShortPaginator
    actions = None
    fieldsets = [
        (
            None,
            {"fields": ["public_id", "person", "kind", "state", "priority", "model_name"]},
        ),
        (
            gettext_lazy("Figures"),
            {
                "fields": [
                    *("queue_time", "ttft", "decode", "rate"),
                    *("prompt_tokens", "cached_tokens", "completion_tokens", "truncated"),
                    "sampling",
                ]
            },
        ),
        (
            gettext_lazy("Where it ran"),
            {
                "fields": [
                    *("worker", "slot", "attempt", "running_since", "lease_until"),
                    *("abort_requested", "suspect", "deaths"),
                ]
            },
        ),
        (gettext_lazy("End"), {"fields": ["finish_reason", "code", "error_text"]}),
    ]

    # --- What is read --------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> QuerySet[GenerationRequest]:
        heavy = ("messages", "output_text", "output_token_ids", "context", "detail", "params")
        return super().get_queryset(request).defer(*heavy)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        return (search(queryset, search_term) if search_term.strip() else queryset), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        is_known = lookup.split("__")[0] in _LOOKUPS
        return is_known and super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    # --- Pages ---------------------------------------------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.export)
        return [
            path("export/", view, name="inference_generationrequest_export"),
            *super().get_urls(),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {"listed_at_most": LISTED_AT_MOST, **(extra_context or {})}
        response = super().changelist_view(request, context)
        if isinstance(response, TemplateResponse) and response.context_data:
            response.context_data |= {"dates": date_links(response.context_data["cl"])}
        return response

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows for the same address, without its end."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            listed = self.get_changelist_instance(request)
        except IncorrectLookupParameters:
            return HttpResponseBadRequest(_("This address filters by something impossible."))
        return as_csv(listed.queryset)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        context = dict(extra_context or {})
        row = self.get_object(request, unquote(object_id))
        if row is not None and self.has_view_permission(request, row):
            context["timeline"] = timeline_of(row, database_now())
            context["title"] = _("Request %(id)s") % {"id": self.short_id(row)}
            context |= self._texts(request, row)
        return super().change_view(request, object_id, form_url, context)

    def _texts(self, request: HttpRequest, row: GenerationRequest) -> dict[str, Any]:
        if not texts.may_read(request):
            return {"why_no_texts": texts.why_not()}
        if request.method != "GET":
            return {}
        self.log_change(request, row, _("Read what was asked and answered."))
        return {"texts": texts.texts_of(row.pk)}

    # --- Columns -------------------------------------------------------------------------------

    @admin.display(description=gettext_lazy("id"), ordering="id")
    def short_id(self, row: GenerationRequest) -> str:
        return str(row.public_id)[:8]

    @admin.display(description=gettext_lazy("user"))
    def person(self, row: GenerationRequest) -> str:
        return shown.revealed(row.user.get_username())

    @admin.display(description=gettext_lazy("group"))
    def kind(self, row: GenerationRequest) -> str:
        return shown.kind_name(row.group)

    @admin.display(description=gettext_lazy("model"))
    def model_name(self, row: GenerationRequest) -> str:
        return shown.revealed(row.model)

    @admin.display(description=gettext_lazy("queue time"))
    def queue_time(self, row: GenerationRequest) -> str | None:
        return shown.seconds(row.timings()["queue_s"])

    @admin.display(description=gettext_lazy("TTFT"))
    def ttft(self, row: GenerationRequest) -> str | None:
        return shown.seconds(row.timings()["ttft_s"])

    @admin.display(description=gettext_lazy("decode time"))
    def decode(self, row: GenerationRequest) -> str | None:
        return shown.seconds(row.timings()["decode_s"])

    @admin.display(description=gettext_lazy("tokens/s"))
    def rate(self, row: GenerationRequest) -> str | None:
        return shown.rate(row.timings()["tokens_per_s"])

    @admin.display(description=gettext_lazy("error text"))
    def error_text(self, row: GenerationRequest) -> str:
        return shown.revealed(row.detail)

    @admin.display(description=gettext_lazy("sampling params"))
    def sampling(self, row: GenerationRequest) -> str:
        """Numbers only: what people write themselves is among the texts."""
        return shown.pairs({k: v for k, v in row.params.items() if k not in TEXT_PARAMS})
