"""Deletes conversations, and ends what is still being written in them."""

from django.db import transaction

from chatsite.accounts.sessions import lock_user
from chatsite.chat.models import Conversation, Message
from inference.doorbell import ring
from inference.messages import doorbell_abort
from inference.queue import NotFound, abort


def delete_conversation(conversation: Conversation) -> None:
    """Aborts its answers first: nobody can read them any more, and they hold places."""
    with transaction.atomic():
        # Locked, so that no send slips in between the aborts and the end.
        lock_user(conversation.user_id)
        locked = Conversation.objects.select_for_update().filter(pk=conversation.pk).first()
        if locked is None:
            return
        aborted = _abort_answers(locked)
        locked.delete()
    for request_id in aborted:
        ring(doorbell_abort(request_id))


def _abort_answers(conversation: Conversation) -> list[str]:
    answers = conversation.messages.filter(
        state=Message.State.GENERATING, request_id__isnull=False
    ).values_list("request_id", flat=True)
    aborted = []
    for request_id in map(str, answers):
        try:
            abort(request_id, conversation.user)
        except NotFound:
            continue
        aborted.append(request_id)
    return aborted
