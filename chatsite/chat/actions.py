"""What a person does in a conversation: send, regenerate, edit. The only writers that also enqueue.

Each is one transaction with the request inside it, so a refusal stores nothing, and each happens
once per `client_id`, however often and from however many tabs it is sent. Knows no sockets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from chatsite.accounts.models import User
from chatsite.accounts.sessions import lock_user
from chatsite.chat.frames import Accepted
from chatsite.chat.groups import user_group
from chatsite.chat.history import prompt_for
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import (
    CHAT_PARAMS,
    EnqueueFrame,
    MessageEdit,
    MessageRegenerate,
    MessageSend,
    Params,
)
from inference.queue import Group, NewRequest, NotFound, Refused, submit, tell_rejected

TITLE_CHARACTERS = 60


@dataclass(frozen=True)
class Outcome:
    """What is stored and queued now; `repeated` when it already was before this call."""

    accepted: Accepted
    repeated: bool


def perform(user: User, frame: EnqueueFrame) -> Outcome:
    """Does what the frame asks. `Refused`, `NotFound` or `SessionEnded`: nothing was stored."""
    try:
        match frame:
            case MessageSend():
                return send_message(user, frame)
            case MessageEdit():
                return edit(user, frame)
            case MessageRegenerate():
                return regenerate(user, frame)
    except Refused as refused:
        tell_rejected(user.pk, refused)
        raise


def send_message(user: User, frame: MessageSend) -> Outcome:
    """A new question at the end of a conversation, or the first of a new one."""

    def act() -> Accepted:
        if frame.conversation is None:
            conversation = Conversation.objects.create(user=user, title=_title(frame.text))
            return _ask(user, conversation, None, frame)
        conversation = _idle_conversation(user, _uuid(frame.conversation))
        return _ask(user, conversation, _answer_to_follow(conversation, frame.parent), frame)

    return _once(user, frame.client_id, act)


def edit(user: User, frame: MessageEdit) -> Outcome:
    """A question asked differently: a sibling of the old one, which stays."""

    def act() -> Accepted:
        old = _message(user, frame.message)
        if old.role != Message.Role.USER:
            raise Refused("invalid", _("Only your own messages can be edited."))
        return _ask(user, _idle_conversation(user, old.conversation_id), old.parent, frame)

    return _once(user, frame.client_id, act)


def regenerate(user: User, frame: MessageRegenerate) -> Outcome:
    """Another answer to the same question, beside the old one."""

    def act() -> Accepted:
        old = _message(user, frame.message)
        conversation = _idle_conversation(user, old.conversation_id)
        question = old if old.role == Message.Role.USER else old.parent
        if question is None:
            raise NotFound("There is no such message.")
        return _answer(user, conversation, question, frame.params, frame.client_id, frame.client_id)

    return _once(user, frame.client_id, act)


def _ask(
    user: User, conversation: Conversation, parent: Message | None, frame: MessageSend | MessageEdit
) -> Accepted:
    # The question is inserted before the queue is asked: a second sender of the same client_id
    # fails here, on the constraint, and never takes a place.
    question = Message.objects.create(
        conversation=conversation,
        parent=parent,
        user=user,
        role=Message.Role.USER,
        text=frame.text,
        client_id=frame.client_id,
    )
    return _answer(user, conversation, question, frame.params, frame.client_id, "")


def _answer(
    user: User,
    conversation: Conversation,
    question: Message,
    params: Params,
    client_id: str,
    answer_client_id: str,
) -> Accepted:
    answer = Message(
        id=uuid4(),
        conversation=conversation,
        parent=question,
        user=user,
        role=Message.Role.ASSISTANT,
        state=Message.State.GENERATING,
        client_id=answer_client_id,
    )
    conversation.save(update_fields=["updated_at"])
    # Last but one: it takes the lock of the whole queue, and holds it until the commit.
    request = submit(
        NewRequest(
            user_id=user.pk,
            model=params.model,
            messages=prompt_for(question, params.system),
            params=_chat_params(params.sampling),
            reply_group=user_group(user.pk),
            context={"conversation": str(conversation.id), "message": str(answer.id)},
            group=group_of(user),
        )
    )
    answer.request_id = request.public_id
    answer.save(force_insert=True)
    return _accepted(client_id, question, answer)


def group_of(user: User) -> Group:
    """Which of the kinds of people that the queue tells apart."""
    if user.is_staff:
        return Group.STAFF
    return Group.GUESTS if user.is_guest else Group.MEMBERS


def _chat_params(sampling: dict[str, Any]) -> dict[str, Any]:
    """Only what the protocol offers: the queue takes more, from programs."""
    for name in sampling:
        if name not in CHAT_PARAMS:
            raise Refused("invalid", _("“%(name)s” cannot be set in a chat.") % {"name": name[:40]})
    return sampling


def _once(user: User, client_id: str, act: Callable[[], Accepted]) -> Outcome:
    """Runs `act` in a transaction unless this client_id was accepted before."""
    try:
        with transaction.atomic():
            lock_user(user.pk)
            before = _accepted_before(user, client_id)
            return Outcome(before, repeated=True) if before else Outcome(act(), repeated=False)
    except IntegrityError as error:
        # Another socket committed between our look and our insert: the same client_id, or another
        # answer in the same conversation (`one_answer_at_a_time`).
        before = _accepted_before(user, client_id)
        if before is not None:
            return Outcome(before, repeated=True)
        if _is_second_answer(error):
            raise _still_answered() from error
        raise


def _accepted_before(user: User, client_id: str) -> Accepted | None:
    found = Message.objects.filter(user=user, client_id=client_id).select_related("parent").first()
    if found is None:
        return None
    if found.role == Message.Role.ASSISTANT and found.parent is not None:
        return _accepted(client_id, found.parent, found)
    answer = found.replies.filter(role=Message.Role.ASSISTANT).order_by("created_at").first()
    return None if answer is None else _accepted(client_id, found, answer)


def _accepted(client_id: str, question: Message, answer: Message) -> Accepted:
    return Accepted(
        client_id=client_id,
        conversation=str(question.conversation_id),
        user_message=str(question.id),
        message=str(answer.id),
        parent=str(question.parent_id) if question.parent_id else None,
        text=question.text,
        request=str(answer.request_id),
    )


def _idle_conversation(user: User, conversation_id: UUID) -> Conversation:
    """The user's conversation, locked; refused while an answer in it is being written."""
    conversation = (
        Conversation.objects.select_for_update().filter(pk=conversation_id, user=user).first()
    )
    if conversation is None:
        raise NotFound("There is no such conversation.")
    if conversation.messages.filter(state=Message.State.GENERATING).exists():
        raise _still_answered()
    return conversation


def _is_second_answer(error: IntegrityError) -> bool:
    # PostgreSQL names the constraint, SQLite its column.
    return any(name in str(error) for name in ("one_answer_at_a_time", "message.conversation_id"))


def _still_answered() -> Refused:
    return Refused(
        "invalid", _("This conversation is still being answered. Wait for the answer, or stop it.")
    )


def _answer_to_follow(conversation: Conversation, parent: str | None) -> Message | None:
    answers = conversation.messages.filter(role=Message.Role.ASSISTANT)
    if parent is None:
        return answers.order_by("-created_at").first()
    found = answers.filter(pk=_uuid(parent)).first()
    if found is None:
        raise NotFound("There is no such message.")
    return found


def _message(user: User, message_id: str) -> Message:
    found = (
        Message.objects.filter(pk=_uuid(message_id), conversation__user=user)
        .select_related("parent")
        .first()
    )
    if found is None:
        raise NotFound("There is no such message.")
    return found


def _uuid(value: str) -> UUID:
    try:
        return UUID(value)
    except ValueError:
        raise NotFound("There is no such id.") from None


def _title(text: str) -> str:
    words = " ".join(text.split())
    if len(words) <= TITLE_CHARACTERS:
        return words
    return words[: TITLE_CHARACTERS - 1].rstrip() + "…"
