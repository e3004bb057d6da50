"""The queue in the Django admin: requests as figures, workers, and the policy row to edit."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from inference.models import GenerationRequest, QueuePolicy, WorkerNode
from inference.queue.policy import current_policy


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only the queue writes."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(GenerationRequest)
class GenerationRequestAdmin(ReadOnlyAdmin):
    """Figures only: staff see who waits and how long, not what was asked or answered."""

    list_display = [
        "public_id",
        "user",
        "state",
        "priority",
        "model",
        "worker",
        "attempt",
        "submitted_at",
    ]
    list_filter = ["state", "finish_reason", "model", "worker", "submitted_at"]
    search_fields = ["public_id", "user__username"]
    list_select_related = ["user", "worker"]
    exclude = ["messages", "output_text", "output_token_ids", "context"]


@admin.register(WorkerNode)
class WorkerNodeAdmin(ReadOnlyAdmin):
    list_display = ["name", "state", "model", "device", "runner", "slots", "heartbeat_at", "detail"]
    list_filter = ["state", "model"]


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
