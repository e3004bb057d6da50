"""Backends: whatever turns chat messages into text. ``create_backend`` picks one by name.

Importing this loads no torch and no tokenizer.
"""

from __future__ import annotations

from inference.backends.base import Backend, BackendOptions
from inference.backends.errors import BackendError

__all__ = ["Backend", "BackendError", "BackendOptions", "create_backend"]


def create_backend(options: BackendOptions) -> Backend:
    """Raises BackendError with a sentence where there is no such engine."""
    match options.engine:
        case "local":
            from inference.backends.local import create_local_backend

            return create_local_backend(options)
        case "mock":
            from inference.backends.mock import create_mock_backend

            return create_mock_backend(options)
        case "openai":
            raise BackendError(
                "CHATSITE_ENGINE=openai is not part of this version yet; use local or mock."
            )
        case other:
            raise BackendError(f"There is no engine named {other!r}; use local or mock.")
