"""The policy row."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from inference.models import QueuePolicy
from inference.queue.policy import current_policy


@admin.register(QueuePolicy)
class QueuePolicyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ["__str__", "order", "paused"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        current_policy()  # the row exists from the first look at it
        return super().get_queryset(request)
