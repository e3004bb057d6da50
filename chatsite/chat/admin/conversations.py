"""Conversations in the admin: figures for staff, never titles or texts."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.db.models.functions import Length
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from chatsite.chat.admin.figures_only import FiguresOnly
from chatsite.chat.models import Conversation, Message

if TYPE_CHECKING:
    _ConversationAdmin = admin.ModelAdmin[Conversation]
    _MessageAdmin = admin.ModelAdmin[Message]
else:
    _ConversationAdmin = _MessageAdmin = admin.ModelAdmin


@admin.register(Conversation)
class ConversationAdmin(FiguresOnly, _ConversationAdmin):
    list_display = ("id", "user", "message_count", "created_at", "updated_at")
    list_select_related = ("user",)
    fields = ("id", "user", "message_count", "created_at", "updated_at")
    readonly_fields = fields
    search_fields = ("=id", "user__username")
    date_hierarchy = "updated_at"
    ordering = ("-updated_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Conversation]:
        return super().get_queryset(request).annotate(_messages=Count("messages"))

    @admin.display(description=_("messages"), ordering="_messages")
    def message_count(self, row: Any) -> int:
        return int(row._messages)


@admin.register(Message)
class MessageAdmin(FiguresOnly, _MessageAdmin):
    list_display = ("id", "user", "role", "state", "finish_reason", "characters", "created_at")
    list_filter = ("role", "state", "finish_reason")
    list_select_related = ("user",)
    fields = (
        "id",
        "user",
        "conversation",
        "role",
        "state",
        "characters",
        "created_at",
        "request_id",
        "finish_reason",
        "code",
        "truncated",
        "usage",
        "timings",
    )
    readonly_fields = fields
    search_fields = ("=id", "=conversation__id", "user__username")
    ordering = ("-created_at",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        # The text itself is not even loaded.
        return super().get_queryset(request).defer("text").annotate(_characters=Length("text"))

    @admin.display(description=_("characters"), ordering="_characters")
    def characters(self, row: Any) -> int:
        return int(row._characters)
