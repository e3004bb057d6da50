"""Who may watch the queue: looked up anew each time, as a socket outlives rights and sessions.

Knows Django's sessions and permissions; no socket.
"""

from enum import Enum
from importlib import import_module
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user

WATCH = "inference.watch_queue"
STEER = "inference.steer_queue"


class Access(Enum):
    """What a session may do with the live page."""

    SIGNED_OUT = "signed out"
    FORBIDDEN = "forbidden"
    WATCH = "watch"


def may_watch(user: Any) -> bool:
    return bool(user.is_active and user.is_staff and user.has_perm(WATCH))


def may_steer(user: Any) -> bool:
    return may_watch(user) and bool(user.has_perm(STEER))


def access_of(session_key: str | None) -> Access:
    """What the login with this session may do now, by the database. Synchronous."""
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    request: Any = SimpleNamespace(session=_Look(store.load() if session_key else {}))
    user = get_user(request)
    if not user.is_authenticated:
        return Access.SIGNED_OUT
    return Access.WATCH if may_watch(user) else Access.FORBIDDEN


class _Look(dict[str, Any]):
    """A session to look at: what Django would change in it here, no cookie would follow."""

    def flush(self) -> None:
        """Django ends a session whose password has changed; its next request does that."""

    def cycle_key(self) -> None:
        """Django renews a session that an older key has signed."""
