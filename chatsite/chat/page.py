"""What the chat page is told about the site and the person when it loads; no message's text."""

from pathlib import PurePath
from typing import Any
from uuid import UUID

from django.urls import reverse
from django.utils.translation import get_language

from chatsite.accounts.models import User
from chatsite.chat import feedback
from chatsite.chat.actions import group_of
from chatsite.chat.notices import current_notice
from chatsite.chat.protocol import MAX_TEXT_BYTES
from chatsite.chat.routing import SOCKET_PATH
from inference import conf
from inference.queue import quota_today, ready_workers


def page_data(user: User, conversation: UUID | None) -> dict[str, Any]:
    """The page's `page-data` block, ready for JSON."""
    conversations = reverse("conversations")
    return {
        "user": {"name": user.get_username(), "is_guest": user.is_guest},
        "conversation": str(conversation) if conversation else None,
        "urls": {
            "socket": SOCKET_PATH,
            "chat": reverse("chat"),
            "conversations": conversations,
            # The page appends "<id>/", and for the last "<id>/delete/" too.
            "conversation_base": f"{reverse('chat')}c/",
            "conversation_api": conversations,
            # … and to this one "<id>/feedback/".
            "message_api": f"{reverse('chat')}messages/",
            "login": reverse("login"),
            "signup": reverse("signup"),
            "logout": reverse("logout"),
            "quota": reverse("usage-today"),
        },
        "quota": quota_data(user),
        "engine": engine_data(),
        "limits": {"message_bytes": MAX_TEXT_BYTES, "comment_length": feedback.MAX_COMMENT_LENGTH},
        "feedback": feedback.mode(),
        "notice": current_notice(),
        "language": get_language(),
    }


def quota_data(user: User) -> dict[str, Any] | None:
    """For the chat page, which shows the rest before something is sent; None without a quota."""
    quota = quota_today(user.pk, group_of(user))
    if quota is None:
        return None
    return {"limit": quota.limit, "left": quota.left, "resets_at": quota.resets_at.isoformat()}


def engine_data() -> dict[str, Any]:
    """Which model answers, and whether it is a mock: by the workers, else by the settings."""
    workers = list(ready_workers().order_by("model").values_list("engine", "model").distinct())
    if not workers:
        options = conf.backend_options()
        # The last part only: a configured model may be a path, which is nobody's business.
        workers = [(options.engine, PurePath(options.model).name)]
    return {
        "mock": any(engine == "mock" for engine, _model in workers),
        "model": ", ".join(model for _engine, model in workers),
    }
