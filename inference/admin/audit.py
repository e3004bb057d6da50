"""Who did what in the admin and on the live page: Django's own log, to read."""

from django.contrib import admin
from django.contrib.admin.models import LogEntry

from inference.admin.read_only import ReadOnlyAdmin


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    list_display = ["action_time", "user", "content_type", "object_repr", "change"]
    list_filter = ["action_time", "content_type"]
    list_select_related = ["user", "content_type"]
    search_fields = ["user__username", "object_repr", "change_message"]
    date_hierarchy = "action_time"

    @admin.display(description=LogEntry._meta.get_field("change_message").verbose_name)
    def change(self, entry: LogEntry) -> str:
        return entry.get_change_message()
