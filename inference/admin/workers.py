"""Workers, as they tell of themselves."""

from django.contrib import admin

from inference.admin.read_only import ReadOnlyAdmin
from inference.models import WorkerNode


@admin.register(WorkerNode)
class WorkerNodeAdmin(ReadOnlyAdmin):
    list_display = ["name", "state", "model", "device", "runner", "slots", "heartbeat_at", "detail"]
    list_filter = ["state", "model"]
