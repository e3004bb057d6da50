"""Is the login behind an open socket still good? A socket outlives the request that opened it.

Knows sessions and users; knows nothing of sockets.
"""

from dataclasses import dataclass
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.utils.crypto import constant_time_compare

from chatsite.accounts.models import User


class SessionEnded(Exception):
    """The login is over; `forbidden` when the person is still known but may not come in."""

    def __init__(self, forbidden: bool = False) -> None:
        super().__init__("forbidden" if forbidden else "signed out")
        self.forbidden = forbidden


@dataclass(frozen=True)
class Login:
    """One login of one user, by its session key."""

    user_id: int
    session_key: str

    def current_user(self) -> User:
        """The user as the database has them now. Raises `SessionEnded`. Synchronous."""
        user = User.objects.filter(pk=self.user_id).first()
        if user is None:
            raise SessionEnded
        if not user.is_active:
            raise SessionEnded(forbidden=True)
        session = _load(self.session_key)
        if session.get(SESSION_KEY) != str(user.pk):
            raise SessionEnded
        if not _verifies(user, session.get(HASH_SESSION_KEY, "")):
            raise SessionEnded  # the password has changed since
        return user


def lock_user(user_id: int) -> None:
    """Keeps the user as they are until the caller's transaction ends. Raises `SessionEnded`.

    Whoever writes more than one of a person's rows takes this lock first, so that two of them (a
    send and a guest's move to an account, say) never wait for each other.
    """
    people = User.objects.select_for_update(no_key=True)
    if people.filter(pk=user_id, is_active=True).first() is None:
        raise SessionEnded


def _load(session_key: str) -> dict[str, Any]:
    store = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    loaded: dict[str, Any] = store.load()
    return loaded


def _verifies(user: User, session_hash: str) -> bool:
    # With the old key in SECRET_KEY_FALLBACKS, a new SECRET_KEY signs nobody out.
    good = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, candidate) for candidate in good)
