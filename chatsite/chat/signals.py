"""Signals for whoever builds on the chat; each is sent after the commit that it tells of.

Receivers of `feedback_given` get `message` and `feedback`, a `Feedback` as it stands now or None
when its giver has taken it back. They run in the web process and thread of the request. One that
raises is logged and hurts nobody.
"""

from functools import partial
from typing import TYPE_CHECKING

from django.db import transaction
from django.dispatch import Signal

if TYPE_CHECKING:
    from chatsite.chat.models import Feedback, Message

feedback_given = Signal()  # given, changed or taken back


def tell_feedback(message: "Message", feedback: "Feedback | None") -> None:
    """Sends `feedback_given` once the caller's transaction is committed; never if it is not."""
    send = partial(feedback_given.send_robust, type(message), message=message, feedback=feedback)
    transaction.on_commit(send, robust=True)
