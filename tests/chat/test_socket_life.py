"""A socket waits for nobody else, and leaves nothing behind."""

import asyncio
import threading
from typing import Any

import pytest
from channels.layers import get_channel_layer

from chatsite.accounts.models import User
from inference.queue import Refused
from tests.chat.tools import OpenTab

pytestmark = pytest.mark.django_db(transaction=True)


def groups() -> dict[str, Any]:
    found: dict[str, Any] = get_channel_layer().groups
    return found


def keepers() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if "_keep" in repr(task.get_coro())]


async def test_text_never_waits_behind_another_persons_query(
    alice: User, bob: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, quick = await open_tab(alice), await open_tab(bob)
    started, may_end = threading.Event(), threading.Event()

    def slow_query(*_args: Any) -> None:
        started.set()
        may_end.wait(30)
        raise Refused("invalid", "Slow.")

    monkeypatch.setattr("chatsite.chat.handlers.perform", slow_query)
    try:
        await slow.say(type="message.send", client_id="c", conversation=None, text="hi")
        while not started.is_set():
            await asyncio.sleep(0.01)
        delta = {"type": "message.delta", "request": "r", "offset": 0, "text": "quick"}
        await get_channel_layer().group_send(f"user.{bob.pk}", delta)
        assert (await quick.hear("message.delta"))["text"] == "quick"
    finally:
        may_end.set()
    await slow.hear("request.rejected")


async def test_a_tab_that_leaves_leaves_nothing_behind(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    assert len(groups()) == 3
    assert len(keepers()) == 1
    await tab.disconnect()
    await asyncio.sleep(0)
    assert groups() == {}
    assert keepers() == []


async def test_a_server_that_stops_without_a_word_leaves_nothing_behind(
    alice: User, open_tab: OpenTab
) -> None:
    tab = await open_tab(alice)
    tab.future.cancel()
    await asyncio.wait([tab.future])
    await asyncio.sleep(0)
    assert groups() == {}
    assert keepers() == []


async def test_no_group_is_named_by_a_session_key(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    cookie = dict(tab.scope["headers"])[b"cookie"].decode().removeprefix("sessionid=")
    assert not any(cookie in name for name in groups())


async def test_a_socket_that_cannot_be_served_is_told_to_come_back(
    alice: User, open_tab: OpenTab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_args: Any) -> None:
        raise ConnectionError("no database")

    monkeypatch.setattr("chatsite.chat.handlers.active_for_user", fails)
    tab = await open_tab(alice, hello=False)
    assert await tab.closed_with() == 1012
