"""The notice to everybody: read for pages and greetings, told to open sockets when it changes.

The text stands in the queue's policy; whoever changes that sends `policy_changed`. Knows no socket.
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import Error
from django.http import HttpRequest

from chatsite.accounts.signals import tell_after_commit
from chatsite.chat.groups import EVERYBODY
from inference.models import QueuePolicy
from inference.queue import policy_changed

logger = logging.getLogger(__name__)


def connect() -> None:
    """Called once, when the app is ready."""
    policy_changed.connect(_on_policy_changed, dispatch_uid="chatsite.notice")


def current_notice() -> str:
    """The text, or '' while there is none."""
    rows = QueuePolicy.objects.filter(pk=1)
    return rows.values_list("notice", flat=True).first() or ""


def site_notice(request: HttpRequest) -> dict[str, Callable[[], str]]:
    """For templates: asks the database only where a page shows it."""
    return {"site_notice": _notice_for_page}


def _notice_for_page() -> str:
    try:
        return current_notice()
    except Error:
        # A page that needs no database must not need one for this.
        logger.warning("The notice could not be read.", exc_info=True)
        return ""


def _on_policy_changed(sender: Any, policy: QueuePolicy, **_: Any) -> None:
    tell_after_commit(EVERYBODY, {"type": "site.notice", "text": policy.notice})
