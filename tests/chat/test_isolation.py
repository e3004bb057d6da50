"""Nobody hears, reads, ends or continues what is another person's."""

from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from chatsite.accounts.models import User
from chatsite.chat import protocol
from chatsite.chat.models import Message
from inference.messages import MessageDelta
from inference.models import GenerationRequest
from tests.chat.tools import Hand, OpenTab, Tab

pytestmark = pytest.mark.django_db(transaction=True)

# For each frame that takes an id: the fields that carry it, by what they name.
FRAMES: dict[str, dict[str, Any]] = {
    "message.send": {"client_id": "x", "conversation": "conversation", "text": "hi"},
    "message.regenerate": {"client_id": "x", "message": "message"},
    "message.edit": {"client_id": "x", "message": "user_message", "text": "hi"},
    "request.abort": {"request": "request"},
    "request.sync": {"request": "request", "offset": 0},
    "ack": {"request": "request", "offset": 0},
}
NAMES = ("conversation", "message", "user_message", "request")


def filled(kind: str, ids: dict[str, str]) -> dict[str, Any]:
    fields = FRAMES[kind].items()
    return {
        "type": kind,
        **{key: ids.get(value, value) if key in NAMES else value for key, value in fields},
    }


async def answer_of(tab: Tab, frame: dict[str, Any]) -> dict[str, Any]:
    await tab.say(**frame)
    return await tab.hear("request.rejected" if "client_id" in frame else "error")


def test_every_frame_of_the_protocol_is_in_the_table() -> None:
    assert set(FRAMES) == set(protocol._READERS)


async def test_another_persons_ids_look_like_ids_that_do_not_exist(
    alice: User, bob: User, open_tab: OpenTab, worker: Hand
) -> None:
    hers, his = await open_tab(alice), await open_tab(bob)
    accepted = await hers.send_message(text="my secret")
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.write)(row, "my secret answer")
    nobodys = {name: str(uuid4()) for name in NAMES}

    for kind in sorted(set(FRAMES) - {"ack"}):
        refused = await answer_of(his, filled(kind, accepted))
        assert refused["code"] == "not_found", kind
        assert await answer_of(his, filled(kind, nobodys)) == refused
    await his.say(**filled("ack", accepted))
    assert await his.silent()
    assert await hers.silent()

    row = await GenerationRequest.objects.aget()
    assert (row.state, row.abort_requested) == ("running", False)
    assert await Message.objects.acount() == 2


async def test_staff_read_nobodys_text_through_sync(
    alice: User, charlie: User, open_tab: OpenTab, worker: Hand
) -> None:
    hers, theirs = await open_tab(alice), await open_tab(charlie)
    accepted = await hers.send_message(text="my secret")
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.write)(row, "my secret answer")
    refused = await answer_of(theirs, filled("request.sync", accepted))
    assert refused["code"] == "not_found"


async def test_no_event_reaches_another_persons_tab(
    alice: User, bob: User, open_tab: OpenTab, worker: Hand
) -> None:
    hers, his = await open_tab(alice), await open_tab(bob)
    accepted = await hers.send_message()
    (row,) = await sync_to_async(worker.claim)()
    event = MessageDelta(accepted["request"], 1, 0, "secret", row.context)
    await get_channel_layer().group_send(f"user.{alice.pk}", event.to_dict())
    await hers.hear("message.delta")
    await hers.say(type="request.abort", request=accepted["request"])
    assert await his.silent()
    assert (await open_tab(bob)).hello["active"] == []
