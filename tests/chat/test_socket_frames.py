"""Every frame of the protocol, over the real application, queue and channel layer."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.utils import translation

from chatsite.accounts.models import User
from chatsite.chat.models import Conversation, Message
from inference.messages import MessageDelta, RequestRunning, RequestWaiting
from inference.models import GenerationRequest
from inference.queue import finished_event
from tests.chat.tools import Hand, OpenTab, Tab
from tests.support.rights import allow

pytestmark = pytest.mark.django_db(transaction=True)


async def publish(user: User, event: Any) -> None:
    await get_channel_layer().group_send(f"user.{user.pk}", event.to_dict())


async def doorbell() -> dict[str, Any]:
    async with asyncio.timeout(5):
        rung: dict[str, Any] = await get_channel_layer().receive("inference")
        return rung


async def row_of(request: str) -> GenerationRequest:
    return await GenerationRequest.objects.aget(public_id=request)


# --- Connecting ---


async def test_hello_says_who_and_what_is_active_without_its_text(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    first = await open_tab(alice)
    assert first.hello == {
        "type": "hello",
        "protocol": 1,
        "user": {"id": str(alice.pk), "name": "alice", "is_guest": False},
        "models": ["demo"],
        "active": [],
        "notice": "",
    }
    running = await first.send_message("c1")
    (claimed,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.write)(claimed, "こんにちは")
    waiting = await first.send_message("c2")

    second = await open_tab(alice)
    assert second.hello["active"] == [
        {
            "request": running["request"],
            "conversation": running["conversation"],
            "message": running["message"],
            "state": "running",
            "attempt": 1,
            "offset": 5,
        },
        {
            "request": waiting["request"],
            "conversation": waiting["conversation"],
            "message": waiting["message"],
            "state": "waiting",
            "attempt": 0,
            "offset": 0,
        },
    ]
    # A place is only told again when it changes, so a new tab hears it at once.
    place = await second.hear("request.waiting")
    assert (place["request"], place["position"]) == (waiting["request"], 1)


async def test_a_stranger_is_let_in_and_sent_away_with_a_reason(open_tab: OpenTab) -> None:
    for cookie in ("", "forged0forged0forged0forged0forg"):
        tab = await open_tab(cookie=cookie, hello=False)
        assert await tab.closed_with() == 4401


# --- Sending ---


async def test_an_accepted_send_is_answered_before_anything_else_about_it(
    alice: User, open_tab: OpenTab
) -> None:
    sender, other = await open_tab(alice), await open_tab(alice)
    accepted = await sender.send_message("c1", text="Hello")
    row = await row_of(accepted["request"])

    assert accepted == {
        "type": "message.accepted",
        "client_id": "c1",
        "conversation": row.context["conversation"],
        "user_message": accepted["user_message"],
        "message": row.context["message"],
        "parent": None,
        "text": "Hello",
        "request": str(row.public_id),
    }
    assert await other.hear("message.accepted") == accepted
    assert await doorbell() == {"type": "request.submitted", "request": accepted["request"]}
    assert await sender.silent()  # not told a second time through the group


async def test_the_events_of_an_answer_reach_every_tab_in_order(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tabs = [await open_tab(alice), await open_tab(alice)]
    accepted = await tabs[0].send_message()
    await tabs[1].hear("message.accepted")
    request = accepted["request"]
    (row,) = await sync_to_async(worker.claim)()
    await publish(alice, RequestWaiting(request, position=1, waiting=3, eta_seconds=(2, 9)))
    await publish(alice, RequestRunning(request, attempt=1))
    await publish(alice, MessageDelta(request, 1, 0, "Hi", row.context))
    await sync_to_async(worker.end)(row, "Hi")
    await publish(alice, await sync_to_async(finished_event)(await row_of(request)))

    for tab in tabs:
        waiting = await tab.hear("request.waiting")
        assert (waiting["position"], waiting["waiting"]) == (1, 3)
        assert waiting["eta_seconds"] == [2, 9]
        running = await tab.hear("request.running")
        assert running == {"type": "request.running", "request": request, "attempt": 1}
        assert await tab.hear("message.delta") == {
            "type": "message.delta",
            "request": request,
            "conversation": accepted["conversation"],
            "message": accepted["message"],
            "attempt": 1,
            "offset": 0,
            "text": "Hi",
        }
        finished = await tab.hear("message.finished")
        assert finished["message"] == accepted["message"]
        assert (finished["length"], finished["finish_reason"]) == (2, "stop")
        assert (finished["truncated"], finished["usage"]["completion_tokens"]) == (False, 2)
        assert set(finished["timings"]) == {"queue_s", "ttft_s", "decode_s", "tokens_per_s"}


async def test_a_conversation_goes_on_with_edit_and_regenerate(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    first = await tab.send_message("c1", text="one")

    async def end() -> None:
        (row,) = await sync_to_async(worker.claim)()
        await sync_to_async(worker.end)(row, "uno")

    await end()
    second = await tab.send_message("c2", text="two", conversation=first["conversation"])
    assert second["parent"] == first["message"]
    await end()
    await tab.say(type="message.edit", client_id="c3", message=second["user_message"], text="2")
    edited = await tab.hear("message.accepted")
    assert (edited["parent"], edited["text"]) == (first["message"], "2")
    await end()
    await tab.say(type="message.regenerate", client_id="c4", message=first["message"])
    again = await tab.hear("message.accepted")
    assert again["user_message"] == first["user_message"]
    assert again["message"] != first["message"]
    assert await Message.objects.acount() == 7


async def test_a_refused_send_says_why_and_when_to_retry(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for index in range(5):  # so many wait of one person; without a worker none can start
        await tab.send_message(f"c{index}")
    await tab.say(type="message.send", client_id="over", conversation=None, text="Hello")
    rejected = await tab.hear("request.rejected")
    assert (rejected["client_id"], rejected["code"]) == ("over", "user_limit")
    assert rejected["detail"]
    assert rejected["retry_after"] > 0
    assert await Conversation.objects.acount() == 5


async def test_a_second_send_into_a_conversation_being_answered_is_refused(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    first = await tab.send_message("c1")
    message = {"conversation": first["conversation"], "text": "and?"}
    await tab.say(type="message.send", client_id="c2", **message)
    assert (await tab.hear("request.rejected"))["code"] == "invalid"


async def test_a_repeated_send_gets_the_same_answer_after_a_reconnect(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    first = await tab.send_message("c1")
    await tab.disconnect()
    again = await open_tab(alice)
    await again.hear("request.waiting")
    assert await again.send_message("c1") == first
    assert await again.silent()
    assert await GenerationRequest.objects.acount() == 1


async def test_one_client_id_on_two_sockets_at_once_makes_one_answer(
    alice: User, open_tab: OpenTab
) -> None:
    tabs = [await open_tab(alice) for _ in range(2)]
    await asyncio.gather(
        *(
            tab.say(type="message.send", client_id="c", conversation=None, text="Hello")
            for tab in tabs
            for _ in range(3)
        )
    )
    # Each tab hears three answers of its own, and perhaps the news from the other tab.
    heard = [await tab.hear("message.accepted") for tab in tabs for _ in range(3)]
    assert all(frame == heard[0] for frame in heard)
    assert await GenerationRequest.objects.acount() == 1


async def test_a_dead_channel_layer_does_not_fail_an_accepted_send(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)

    async def fails(*_args: Any) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(get_channel_layer(), "group_send", fails)
    monkeypatch.setattr(get_channel_layer(), "send", fails)
    await tab.send_message()
    assert await tab.silent()


# --- Aborting ---


async def test_aborting_a_waiting_request_ends_it_in_every_tab(
    alice: User, open_tab: OpenTab
) -> None:
    tabs = [await open_tab(alice), await open_tab(alice)]
    accepted = await tabs[0].send_message()
    await tabs[1].hear("message.accepted")
    await doorbell()
    await tabs[0].say(type="request.abort", request=accepted["request"])
    for tab in tabs:
        finished = await tab.hear("message.finished")
        assert (finished["finish_reason"], finished["length"]) == ("aborted", 0)
    assert await doorbell() == {"type": "request.abort", "request": accepted["request"]}
    answer = await Message.objects.aget(pk=accepted["message"])
    assert (answer.state, answer.finish_reason) == ("complete", "aborted")


async def test_aborting_a_running_request_is_left_to_the_worker(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    accepted = await tab.send_message()
    await sync_to_async(worker.claim)()
    await doorbell()
    await tab.say(type="request.abort", request=accepted["request"])
    assert (await doorbell())["type"] == "request.abort"
    row = await row_of(accepted["request"])
    assert (row.state, row.abort_requested) == ("running", True)
    assert await tab.silent()


async def test_aborting_what_is_over_tells_only_the_tab_that_asked(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab, other = await open_tab(alice), await open_tab(alice)
    accepted = await tab.send_message()
    await other.hear("message.accepted")
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.end)(row, "Hi")
    await tab.say(type="request.abort", request=accepted["request"])
    assert (await tab.hear("message.finished"))["finish_reason"] == "stop"
    assert await other.silent()


async def test_staff_who_may_steer_may_abort_anybodys_request_and_its_owner_is_told(
    alice: User, charlie: User, open_tab: OpenTab
) -> None:
    await sync_to_async(allow)(charlie, "watch_queue", "steer_queue")
    hers, theirs = await open_tab(alice), await open_tab(charlie)
    accepted = await hers.send_message()
    await theirs.say(type="request.abort", request=accepted["request"])
    assert (await hers.hear("message.finished"))["finish_reason"] == "aborted"
    assert await theirs.silent()


async def test_staff_without_that_right_abort_nobody_elses_request(
    alice: User, charlie: User, open_tab: OpenTab
) -> None:
    hers, theirs = await open_tab(alice), await open_tab(charlie)
    accepted = await hers.send_message()
    await theirs.say(type="request.abort", request=accepted["request"])
    assert (await theirs.hear("error"))["code"] == "not_found"
    assert await hers.silent()


# --- Syncing ---


async def synced(tab: Tab, request: str, offset: int) -> dict[str, Any]:
    await tab.say(type="request.sync", request=request, offset=offset)
    return await tab.hear("message.delta")


async def test_sync_answers_this_tab_alone_from_the_row_by_code_points(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab, other = await open_tab(alice), await open_tab(alice)
    accepted = await tab.send_message()
    await other.hear("message.accepted")
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.write)(row, "a😀日本")

    delta = await synced(tab, accepted["request"], 1)
    assert (delta["offset"], delta["text"], delta["attempt"]) == (1, "😀日本", 1)
    assert delta["message"] == accepted["message"]
    assert await tab.silent()
    assert await other.silent()


async def test_sync_of_an_ended_answer_gives_the_rest_and_the_end(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    accepted = await tab.send_message()
    (row,) = await sync_to_async(worker.claim)()
    text = "0123456789" * 4_000
    await sync_to_async(worker.end)(row, text)

    await tab.say(type="request.sync", request=accepted["request"], offset=10)
    pieces = [await tab.hear("message.delta") for _ in range(3)]
    assert all(len(piece["text"]) <= 16_384 for piece in pieces)
    assert "".join(piece["text"] for piece in pieces) == text[10:]
    assert [piece["offset"] for piece in pieces] == [10, 16_394, 32_778]
    assert (await tab.hear("message.finished"))["length"] == 40_000

    await tab.say(type="request.sync", request=accepted["request"], offset=99_999)
    assert (await tab.hear("message.finished"))["length"] == 40_000


async def test_acks_are_taken_in_silence(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for offset in range(200):
        await tab.say(type="ack", request="anything", offset=offset)
    assert await tab.silent()


async def test_events_of_unknown_types_are_ignored(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for kind in ("dispatch", "close", "send", "websocket.disconnect.now", "_let_go", "end"):
        await get_channel_layer().group_send(f"user.{alice.pk}", {"type": kind, "code": 1})
    await tab.send_message()


async def test_sentences_come_in_the_language_of_the_browser(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str | None] = []

    def listening(text: str) -> str:
        heard.append(translation.get_language())
        return text

    monkeypatch.setattr("chatsite.chat.handlers._", listening)
    for language in ("ja", "en"):
        tab = await open_tab(alice, language=language)
        await tab.say(type="request.abort", request="nothing")
        await tab.hear("error")
    assert heard == ["ja", "en"]
