"""The history of requests, as figures."""

from django.contrib import admin

from inference.admin.read_only import ReadOnlyAdmin
from inference.models import GenerationRequest


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
