"""Feedback in the admin: a list to filter, and its export.

A comment is written for the people who run the site. The conversation behind it is shown only
where staff may see texts at all.
"""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from chatsite.chat.admin.figures_only import FiguresOnly
from chatsite.chat.feedback import figures_of
from chatsite.chat.feedback_export import FIELDS, line_of
from chatsite.chat.models import Feedback
from inference import conf

if TYPE_CHECKING:
    _FeedbackAdmin = admin.ModelAdmin[Feedback]
else:
    _FeedbackAdmin = admin.ModelAdmin


@admin.register(Feedback)
class FeedbackAdmin(FiguresOnly, _FeedbackAdmin):
    list_display = ("created_at", "user", "rating", "model", "finish", "has_comment")
    list_filter = (
        "rating",
        ("comment", admin.EmptyFieldListFilter),
        "model",
        "message__finish_reason",
        "created_at",
    )
    list_select_related = ("user",)
    search_fields = ("user__username",)
    ordering = ("-created_at",)
    change_list_template = "admin/chat/feedback/change_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Feedback]:
        rows = super().get_queryset(request).annotate(_finish=F("message__finish_reason"))
        # Not even loaded where nobody looks at them.
        return rows if _shows_texts(request) else rows.defer("prompt", "answer")

    def get_fields(self, request: HttpRequest, obj: Feedback | None = None) -> Any:
        fields = ["user", "rating", "comment", "model", "finish", "request_id"]
        texts = ["params", "prompt", "answer"] if _shows_texts(request) else ["sampling"]
        return [*fields, *texts, "created_at", "updated_at"]

    def get_readonly_fields(self, request: HttpRequest, obj: Feedback | None = None) -> Any:
        return self.get_fields(request, obj)

    @admin.display(description=_("finish reason"), ordering="_finish")
    def finish(self, row: Any) -> str:
        return str(row._finish)

    @admin.display(description=_("sampling params"))
    def sampling(self, row: Feedback) -> str:
        return ", ".join(f"{name}={value}" for name, value in figures_of(row.params).items())

    @admin.display(description=_("comment"), boolean=True)
    def has_comment(self, row: Feedback) -> bool:
        return bool(row.comment)

    # --- Export ---

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="chat_feedback_export"), *super().get_urls()]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        context = {**(extra_context or {}), "may_export": _may_export(request)}
        return super().changelist_view(request, context)

    def export(self, request: HttpRequest) -> HttpResponseBase:
        """What the list shows, filtered as it is, as JSON lines."""
        if not (self.has_view_permission(request) and _may_export(request)):
            raise PermissionDenied
        try:
            rows = self.get_changelist_instance(request).queryset
        except IncorrectLookupParameters:
            raise BadRequest("There is no such filter.") from None
        self._note_export(request)
        response = StreamingHttpResponse(_lines(rows), content_type="application/jsonl")
        response["Content-Disposition"] = 'attachment; filename="feedback.jsonl"'
        response["Cache-Control"] = "no-store"
        return response

    def _note_export(self, request: HttpRequest) -> None:
        """Into the log of the admin: with `CHATSITE_FEEDBACK=texts` there are texts in it."""
        who: Any = request.user
        LogEntry.objects.create(
            user_id=who.pk,
            content_type=ContentType.objects.get_for_model(Feedback),
            object_repr=str(self.opts.verbose_name_plural),
            action_flag=CHANGE,
            change_message=gettext("Exported as JSON lines."),
        )


def _may_export(request: HttpRequest) -> bool:
    return request.user.has_perm("chat.export_feedback")


def _shows_texts(request: HttpRequest) -> bool:
    return conf.staff_see_texts() and request.user.has_perm("inference.read_texts")


async def _lines(rows: QuerySet[Feedback]) -> AsyncIterator[str]:
    async for row in rows.values(*FIELDS).aiterator(chunk_size=100):
        yield line_of(row)
