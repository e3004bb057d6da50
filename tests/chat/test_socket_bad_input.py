"""Whatever a socket is fed, it answers with a typed error, stays usable and stores nothing."""

import json
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async

from chatsite.accounts.models import User
from chatsite.chat import limits
from chatsite.chat.models import Conversation, Message
from inference.models import GenerationRequest
from tests.chat.tools import Hand, OpenTab

pytestmark = pytest.mark.django_db(transaction=True)

MESSAGE = {"type": "message.send", "client_id": "c", "conversation": None, "text": "hi"}

ERRORS: list[tuple[Any, str]] = [
    ("", "bad_json"),
    ("x" * 1_000_000, "too_large"),
    ("not json", "bad_json"),
    ('{"type": "message.send"', "bad_json"),
    (json.dumps(MESSAGE)[:-1] + ', "params": {"temperature": NaN}}', "bad_json"),
    ("[" * 50_000, "bad_json"),
    ("[]", "bad_frame"),
    ({"type": "no.such.type"}, "unknown_type"),
    ({"type": "websocket.disconnect"}, "unknown_type"),
    ({"type": "session.ended"}, "unknown_type"),
    ({}, "unknown_type"),
    ({**MESSAGE, "client_id": None}, "bad_frame"),
    ({"type": "request.abort", "request": ""}, "bad_frame"),
    ({"type": "request.abort", "request": str(uuid4())}, "not_found"),
    ({"type": "request.abort", "request": "' OR 1=1 --"}, "not_found"),
    ({"type": "request.sync", "request": str(uuid4()), "offset": 0}, "not_found"),
    ({"type": "request.sync", "request": "x", "offset": "0"}, "bad_frame"),
]

REJECTIONS: list[tuple[dict[str, Any], str]] = [
    ({"text": ""}, "invalid"),
    ({"text": "   "}, "invalid"),
    ({"text": 5}, "invalid"),
    ({"text": "NUL \0 inside"}, "invalid"),
    ({"text": "half a pair \ud800"}, "invalid"),
    ({"text": "x" * 32_769}, "too_long"),
    ({"conversation": str(uuid4())}, "not_found"),
    ({"conversation": "1"}, "not_found"),
    ({"conversation": {"id": 1}}, "invalid"),
    ({"params": "hot"}, "invalid"),
    ({"params": {"temperature": "hot"}}, "invalid"),
    ({"params": {"temperature": -1}}, "invalid"),
    ({"params": {"top_k": True}}, "invalid"),
    ({"params": {"max_tokens": 10**9}}, "invalid"),
    ({"params": {"seed": 2**70}}, "invalid"),
    ({"params": {"stop": ["x"] * 10_000}}, "invalid"),
    ({"params": {"no_such_param": 1}}, "invalid"),
    ({"params": {"messages": [{"role": "system"}]}}, "invalid"),
    ({"params": {"model": "no-such-model"}}, "invalid"),
]


async def test_every_bad_frame_is_an_error_and_the_socket_lives(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    for bad, code in ERRORS:
        await tab.raw(bad if isinstance(bad, str) else json.dumps(bad))
        error = await tab.hear("error")
        assert (error["code"], set(error)) == (code, {"type", "code", "detail"}), bad
        assert error["detail"]
    await tab.raw(data=b"\x00\xff")
    assert (await tab.hear("error"))["code"] == "bad_frame"
    assert await Conversation.objects.acount() == 0
    await tab.send_message()


async def test_every_bad_send_is_rejected_by_its_client_id_and_stores_nothing(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    for index, (fields, code) in enumerate(REJECTIONS):
        await tab.say(**{**MESSAGE, "client_id": f"c{index}", **fields})
        rejected = await tab.hear("request.rejected")
        assert (rejected["client_id"], rejected["code"]) == (f"c{index}", code), fields
        assert rejected["detail"]
        assert "retry_after" in rejected
    assert await Conversation.objects.acount() == 0
    assert await GenerationRequest.objects.acount() == 0
    await tab.send_message()


async def test_all_planes_of_unicode_are_stored_as_they_came(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    text = (
        "e\u0301"
        + "\u0301" * 500
        + " \u202eabc\u202c 👩‍👩‍👧 \U0010ffff 日本語 <|im_start|>system\x07\x1b[31m"
    )
    accepted = await tab.send_message(text=text)
    assert accepted["text"] == text
    assert (await Message.objects.aget(pk=accepted["user_message"])).text == text


async def test_garbage_without_end_is_closed_with_a_reason(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for _ in range(20):
        await tab.raw("garbage")
        await tab.hear("error")
    await tab.say(type="ack", request="r", offset=0)  # a good frame starts the count anew
    for _ in range(21):
        await tab.raw("garbage")
        await tab.hear("error")
    assert await tab.closed_with() == 4400
    await tab.say(**MESSAGE)  # sent before the browser knew
    assert await tab.silent()
    assert await Conversation.objects.acount() == 0


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bucket fills while the test runs, however slow the machine."""
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: 100.0))


@pytest.mark.usefixtures("frozen_clock")
async def test_too_many_frames_are_refused_and_then_the_socket_is_closed(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    for _ in range(161):
        await tab.say(type="request.abort", request="none")
    codes = [(await tab.hear("error"))["code"] for _ in range(160)]
    assert codes == ["not_found"] * 60 + ["rate_limited"] * 100
    assert await tab.closed_with() == 4429


@pytest.mark.usefixtures("frozen_clock")
async def test_reading_a_long_answer_again_and_again_uses_up_the_rate(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    accepted = await tab.send_message()
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.end)(row, "x" * 16_384 * 10)
    for _ in range(6):
        await tab.say(type="request.sync", request=accepted["request"], offset=0)
        for _piece in range(10):
            await tab.hear("message.delta")
        await tab.hear("message.finished")
        await tab.say(type="ack", request=accepted["request"], offset=16_384 * 10)
    await tab.say(type="request.sync", request=accepted["request"], offset=0)
    assert (await tab.hear("error"))["code"] == "rate_limited"


@pytest.mark.usefixtures("frozen_clock")
async def test_even_acks_have_a_bound(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    for _ in range(601):
        await tab.say(type="ack", request="r", offset=0)
    assert (await tab.hear("error"))["code"] == "rate_limited"


@pytest.mark.usefixtures("frozen_clock")
async def test_a_send_past_the_rate_is_rejected_so_that_its_draft_stays(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    for _ in range(70):
        await tab.say(type="request.abort", request="none")
    await tab.say(**MESSAGE)
    frames = [json.loads((await tab.receive_output(10))["text"]) for _ in range(71)]
    assert (frames[-1]["type"], frames[-1]["code"]) == ("request.rejected", "rate_limited")
    assert frames[-1]["retry_after"] > 0


async def test_an_unexpected_failure_is_an_apology_and_the_socket_lives(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    tab = await open_tab(alice)

    def breaks(*_args: Any) -> None:
        raise RuntimeError("planted")

    with monkeypatch.context() as patch:
        patch.setattr("chatsite.chat.handlers.perform", breaks)
        patch.setattr("chatsite.chat.handlers.snapshot", breaks)
        await tab.say(**MESSAGE)
        rejected = await tab.hear("request.rejected")
        assert (rejected["client_id"], rejected["code"]) == ("c", "internal")
        await tab.say(type="request.sync", request="r", offset=0)
        error = await tab.hear("error")
        assert error["code"] == "internal"
        assert "planted" not in json.dumps([rejected, error])
    await tab.send_message("c2")


@pytest.mark.parametrize(
    "origin",
    [
        None,
        "null",
        "",
        "http://evil.example",
        "http://localhost.evil.example",
        "http://localhost:8443",
        "https://localhost",
        "http://user@localhost",
        "file://",
    ],
)
async def test_a_foreign_origin_is_refused_before_the_socket_opens(
    alice: User, open_tab: OpenTab, origin: str | None
) -> None:
    tab = await open_tab(alice, origin=origin, hello=False)
    assert not tab.connected
