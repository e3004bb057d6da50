"""Rows that people make in the chat and nobody writes in the admin."""

from typing import Any

from django.http import HttpRequest


class FiguresOnly:
    """Nothing is added or changed by hand."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
