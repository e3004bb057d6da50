"""The chat in the Django admin; one module for each thing that staff look at."""

from chatsite.chat.admin import conversations, feedback

__all__ = ["conversations", "feedback"]
