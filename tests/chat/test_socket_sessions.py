"""An open socket loses its rights with its login, at once or at the next send."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.contrib.sessions.models import Session
from django.test import AsyncClient, Client

from chatsite.accounts.models import User
from chatsite.accounts.sessions import Login, SessionEnded
from chatsite.chat import consumers
from chatsite.chat.models import Conversation
from inference.models import GenerationRequest
from tests.chat.tools import Hand, OpenTab, session_cookie

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "alice-knows-it"


async def post(path: str, cookie: str, **fields: str) -> Any:
    client = AsyncClient()
    client.cookies["sessionid"] = cookie
    return await client.post(path, fields)


async def test_logging_out_closes_the_sockets_of_that_login_only(
    alice: User, open_tab: OpenTab
) -> None:
    cookie = await sync_to_async(session_cookie)(alice)
    here, also_here = await open_tab(cookie=cookie), await open_tab(cookie=cookie)
    elsewhere = await open_tab(alice)
    await post("/accounts/logout/", cookie)
    assert await here.closed_with() == 4401
    assert await also_here.closed_with() == 4401
    assert await elsewhere.silent()
    again = await open_tab(cookie=cookie, hello=False)
    assert await again.closed_with() == 4401


async def test_nothing_is_sent_or_heard_after_the_close(alice: User, open_tab: OpenTab) -> None:
    cookie = await sync_to_async(session_cookie)(alice)
    tab = await open_tab(cookie=cookie)
    await post("/accounts/logout/", cookie)
    await tab.closed_with()
    await tab.say(type="message.send", client_id="late", conversation=None, text="hi")
    await get_channel_layer().group_send(
        f"user.{alice.pk}", {"type": "message.delta", "request": "r", "text": "late"}
    )
    assert await tab.silent()
    assert not await Conversation.objects.aexists()


async def test_a_deactivated_person_is_forbidden_at_once(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    alice.is_active = False
    await alice.asave()
    assert await tab.closed_with() == 4403


async def test_a_changed_password_signs_every_socket_out(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    alice.set_password("something new entirely")
    await alice.asave()
    assert await tab.closed_with() == 4401


async def test_a_deleted_person_is_signed_out(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    await alice.adelete()
    assert await tab.closed_with() == 4401


async def test_a_change_that_takes_no_right_away_closes_nothing(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    alice.first_name = "Alice"
    await alice.asave()
    await tab.send_message()


@pytest.mark.parametrize("frame", ["message.send", "request.abort", "request.sync"])
async def test_a_send_is_refused_when_the_session_is_gone_without_a_word(
    alice: User, open_tab: OpenTab, frame: str
) -> None:
    tab = await open_tab(alice)
    await Session.objects.all().adelete()
    fields = {"client_id": "c", "conversation": None, "text": "hi", "request": "r", "offset": 0}
    await tab.say(type=frame, **fields)
    assert await tab.closed_with() == 4401
    assert not await Conversation.objects.aexists()


async def test_a_send_is_refused_when_a_deactivation_went_unheard(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    await User.objects.filter(pk=alice.pk).aupdate(is_active=False)
    await tab.say(type="message.send", client_id="c", conversation=None, text="hi")
    assert await tab.closed_with() == 4403


def test_a_new_secret_key_signs_nobody_out_while_the_old_one_is_a_fallback(
    alice: User, settings: Any
) -> None:
    login = Login(alice.pk, session_cookie(alice))
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "n" * 50
    assert login.current_user() == alice
    settings.SECRET_KEY_FALLBACKS = []
    with pytest.raises(SessionEnded):
        login.current_user()


async def test_a_silent_socket_is_looked_at_now_and_then(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "PRESENCE_SECONDS", 0.02)
    monkeypatch.setattr(consumers, "SESSION_CHECK_SECONDS", 0.05)
    tab = await open_tab(alice)
    await Session.objects.all().adelete()
    assert await tab.closed_with() == 4401


async def test_a_waiting_persons_socket_keeps_the_request_wanted(
    alice: User, open_tab: OpenTab, worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "PRESENCE_SECONDS", 0.02)
    tab = await open_tab(alice)
    accepted = await tab.send_message()
    row = await GenerationRequest.objects.aget(public_id=accepted["request"])
    async with asyncio.timeout(5):
        while (await GenerationRequest.objects.aget(pk=row.pk)).wanted_until == row.wanted_until:
            await asyncio.sleep(0.02)


async def test_a_socket_that_waits_for_nothing_asks_the_database_nothing(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def nothing_waits(user_id: int) -> int:
        asked.append(user_id)
        return 0

    monkeypatch.setattr(consumers, "PRESENCE_SECONDS", 0.01)
    monkeypatch.setattr(consumers, "keep_wanted", nothing_waits)
    tab = await open_tab(alice)
    assert await tab.silent()
    assert asked == []
    await tab.send_message()
    async with asyncio.timeout(10):
        while not asked:
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    assert asked == [alice.pk]  # nothing waits, said the database; so it is left alone again


async def test_a_guest_who_logs_in_takes_everything_along_and_old_sockets_close(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    client = Client()
    await sync_to_async(client.post)("/accounts/guest/")
    cookie = client.cookies["sessionid"].value
    guests_tab = await open_tab(cookie=cookie)
    assert guests_tab.hello["user"]["is_guest"]
    accepted = await guests_tab.send_message()
    (row,) = await sync_to_async(worker.claim)()

    credentials = {"username": "alice", "password": PASSWORD}
    await sync_to_async(client.post)("/accounts/login/", credentials)
    assert client.cookies["sessionid"].value != cookie
    assert await guests_tab.closed_with() == 4401

    tab = await open_tab(cookie=client.cookies["sessionid"].value)
    assert tab.hello["user"]["name"] == "alice"
    assert [active["request"] for active in tab.hello["active"]] == [accepted["request"]]
    await sync_to_async(worker.end)(row, "Hi guest")
    await tab.say(type="request.sync", request=accepted["request"], offset=0)
    assert (await tab.hear("message.delta"))["text"] == "Hi guest"
    assert not await User.objects.filter(is_guest=True).aexists()
