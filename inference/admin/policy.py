"""The policy row, all of it; the live page has the limits that are changed most."""

from functools import partial
from typing import Any

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest

from inference.doorbell import ring
from inference.messages import doorbell_changed
from inference.models import QueuePolicy
from inference.policy_forms import PolicyForm
from inference.queue.policy import current_policy
from inference.queue.steering import change_policy


@admin.register(QueuePolicy)
class QueuePolicyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    form = PolicyForm
    list_display = ["__str__", "order", "paused"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_queryset(self, request: HttpRequest) -> Any:
        current_policy()  # the row exists from the first look at it
        return super().get_queryset(request)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Only what was changed here: somebody may have changed another limit meanwhile."""
        change_policy(**form.changes())
        # The whole page is one transaction, and the lock lasts as long.
        transaction.on_commit(partial(ring, doorbell_changed()))
