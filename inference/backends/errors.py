"""What a backend cannot do.

BackendError   the text is a sentence that says what to change
"""

from __future__ import annotations


class BackendError(Exception):
    """The backend cannot be made or started."""
