"""What a tab's frames make happen: enqueue, abort, sync. Knows the queue by its functions only.

Order of an accepted send: this tab's `message.accepted`, the other tabs', then the doorbell. What
is published may fail, the send may not: it is stored, and whoever missed the news finds it there.
"""

import logging
from typing import TYPE_CHECKING, Any

from channels.db import database_sync_to_async
from django.utils.translation import gettext as _

from chatsite.accounts.models import User
from chatsite.accounts.sessions import Login
from chatsite.chat import frames, protocol
from chatsite.chat.actions import Outcome, perform
from chatsite.chat.groups import user_group
from chatsite.chat.notices import current_notice
from inference.messages import (
    INFERENCE_CHANNEL,
    MessageDelta,
    doorbell_abort,
    doorbell_submitted,
)
from inference.queue import (
    NotFound,
    Refused,
    abort,
    active_for_user,
    finished_event,
    models_on_offer,
    places,
    snapshot,
)

if TYPE_CHECKING:
    from chatsite.chat.consumers import ChatConsumer
    from inference.models import GenerationRequest

logger = logging.getLogger(__name__)

SYNC_PIECE = 16_384


async def handle(tab: "ChatConsumer", frame: protocol.ClientFrame) -> None:
    """Does what the frame asks and answers the tab. Raises `SessionEnded`."""
    match frame:
        case protocol.RequestAbort():
            await _abort(tab, frame.request)
        case protocol.RequestSync():
            await _sync(tab, frame.request, frame.offset)
        case protocol.MessageSend() | protocol.MessageEdit() | protocol.MessageRegenerate():
            await _enqueue(tab, frame)


def greeting(user: User) -> list[frames.Frame]:
    """What a socket hears first: who, which models, what is on its way, each place in the queue.

    Synchronous.
    """
    rows = [row for row in active_for_user(user.pk) if "message" in row.context]
    person = {"id": str(user.pk), "name": user.get_username(), "is_guest": user.is_guest}
    active = [_active(row) for row in rows]
    hello = frames.hello(person, models_on_offer(), active, current_notice())
    waiting = {str(row.public_id) for row in rows if row.state == row.State.WAITING}
    # A place is only told when it changes; whoever comes in between would not hear of it.
    mine = [one for one in places(user_id=user.pk) if one.public_id in waiting] if waiting else []
    return [hello, *(place.event().to_dict() for place in mine)]


def _active(row: "GenerationRequest") -> dict[str, Any]:
    return {
        "request": str(row.public_id),
        "conversation": row.context.get("conversation"),
        "message": row.context["message"],
        "state": row.state,
        "attempt": row.attempt,
        "offset": len(row.output_text),
    }


# --- Sending ---


async def _enqueue(tab: "ChatConsumer", frame: protocol.EnqueueFrame) -> None:
    try:
        outcome = await database_sync_to_async(_perform)(tab.login, frame)
    except Refused as refusal:
        await tab.push(
            frames.request_rejected(
                frame.client_id, refusal.code, refusal.detail, refusal.retry_after
            )
        )
        return
    except NotFound:
        detail = _("There is no such conversation or message.")
        await tab.push(frames.request_rejected(frame.client_id, "not_found", detail))
        return
    accepted = frames.message_accepted(outcome.accepted)
    await tab.push(accepted)
    if not outcome.repeated:
        tab.watch(outcome.accepted.request)
        group = user_group(tab.login.user_id)
        await publish(tab, group, {**accepted, "origin": tab.channel_name})
        await _ring(tab, doorbell_submitted(outcome.accepted.request))


def _perform(login: Login, frame: protocol.EnqueueFrame) -> Outcome:
    return perform(login.current_user(), frame)


# --- Aborting ---


async def _abort(tab: "ChatConsumer", request_id: str) -> None:
    try:
        was_over, row = await database_sync_to_async(_abort_row)(tab.login, request_id)
    except NotFound:
        await _no_such_request(tab)
        return
    if was_over:
        await tab.push(finished_event(row).to_dict())  # this tab missed the end
        return
    if row.is_over:  # it waited, so no worker will say that it ended
        await publish(tab, row.reply_group, finished_event(row).to_dict())
    await _ring(tab, doorbell_abort(str(row.public_id)))


def _abort_row(login: Login, request_id: str) -> "tuple[bool, GenerationRequest]":
    user = login.current_user()
    was_over = snapshot(request_id, user).is_over
    return was_over, abort(request_id, user)


# --- Syncing ---


async def _sync(tab: "ChatConsumer", request_id: str, offset: int) -> None:
    try:
        row = await database_sync_to_async(_own_row)(tab.login, request_id)
    except NotFound:
        await _no_such_request(tab)
        return
    text = row.output_text
    for start in range(offset, len(text), SYNC_PIECE):
        piece = MessageDelta(
            request=str(row.public_id),
            attempt=row.attempt,
            offset=start,
            text=text[start : start + SYNC_PIECE],
            context=row.context,
        )
        if not await tab.push_text(piece.to_dict(), is_asked_for=True):
            break  # it reads slowly, and asks again from where this ended
        # A long answer read again and again costs more than a click.
        tab.frames.charge(len(piece.text) / SYNC_PIECE)
    if row.is_over:
        await tab.push(finished_event(row).to_dict())


def _own_row(login: Login, request_id: str) -> "GenerationRequest":
    user = login.current_user()
    row = snapshot(request_id, user)
    if row.user_id != user.pk:
        # Staff may end anybody's request, but read nobody's text here.
        raise NotFound("There is no such request.")
    return row


# --- The channel layer ---


async def _no_such_request(tab: "ChatConsumer") -> None:
    await tab.push(frames.error("not_found", _("There is no such request.")))


async def publish(tab: "ChatConsumer", group: str, event: dict[str, Any]) -> None:
    """Tells a group; a failure is logged, and repaired by the readers' own sync."""
    try:
        await tab.channel_layer.group_send(group, event)
    except Exception:
        logger.exception("A %s event could not be sent.", event["type"])


async def _ring(tab: "ChatConsumer", doorbell: dict[str, Any]) -> None:
    try:
        await tab.channel_layer.send(INFERENCE_CHANNEL, doorbell)
    except Exception:
        # Workers also look every second.
        logger.exception("The doorbell could not be rung.")
