"""Rows that people make in the chat and nobody writes in the admin."""

from typing import Any

from django.http import HttpRequest

# Of conversations, messages and feedback.
_TEXTS = frozenset({"title", "text", "prompt", "answer", "params"})


class FiguresOnly:
    """Nothing is added or changed by hand."""

    def lookup_allowed(self, lookup: str, value: Any, request: HttpRequest | None = None) -> bool:
        # A list filtered by `?text__icontains=…` would answer yes or no about what nobody may read.
        allowed: bool = super().lookup_allowed(lookup, value, request)  # type: ignore[misc]
        return allowed and not _TEXTS & set(lookup.split("__"))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
