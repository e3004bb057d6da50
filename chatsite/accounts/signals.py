"""Tells open sockets when a login ends or a person's rights change.

The news may be lost with the channel layer: every socket also looks for itself once a minute.
"""

import logging
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.contrib.auth.signals import user_logged_out
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.http import HttpRequest

from chatsite.accounts.models import User
from chatsite.chat.groups import session_group, user_group

logger = logging.getLogger(__name__)

SESSION_ENDED = {"type": "session.ended"}
SESSION_CHECK = {"type": "session.check"}
# Fields that a login writes on its own; nobody loses a right by them.
_HARMLESS_FIELDS = frozenset({"last_login"})


def connect() -> None:
    """Called once, when the app is ready."""
    user_logged_out.connect(_on_logout, dispatch_uid="chatsite.logout")
    post_save.connect(_on_user_saved, sender=User, dispatch_uid="chatsite.user_saved")
    post_delete.connect(_on_user_deleted, sender=User, dispatch_uid="chatsite.user_deleted")


def tell_after_commit(group: str, event: dict[str, Any]) -> None:
    """Sends an event to a group after the commit; a failure is logged, not raised."""
    transaction.on_commit(partial(_tell, group, event))


def _on_logout(sender: Any, request: HttpRequest | None, user: User | None, **_: Any) -> None:
    if request is not None and request.session.session_key:
        tell_after_commit(session_group(request.session.session_key), SESSION_ENDED)


def _on_user_saved(
    sender: Any, instance: User, created: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    if created or (update_fields and update_fields <= _HARMLESS_FIELDS):
        return
    tell_after_commit(user_group(instance.pk), SESSION_CHECK)


def _on_user_deleted(sender: Any, instance: User, **_: Any) -> None:
    tell_after_commit(user_group(instance.pk), SESSION_ENDED)


def _tell(group: str, event: dict[str, Any]) -> None:
    try:
        async_to_sync(get_channel_layer().group_send)(group, event)
    except Exception:
        logger.exception("A %s event could not be sent.", event["type"])
