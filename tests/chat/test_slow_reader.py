"""A tab that does not say what came gets a window full of text, and all the rest later."""

import asyncio
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer

from chatsite.accounts.models import User
from chatsite.chat import consumers
from inference.messages import MessageDelta
from inference.models import GenerationRequest
from tests.chat.tools import Hand, OpenTab, Tab

pytestmark = pytest.mark.django_db(transaction=True)
PIECE = 10_000
FITS = 26  # pieces of ten thousand characters, until 256 KB are on their way


async def an_answer(tab: Tab, worker: Hand, pieces: int) -> GenerationRequest:
    """A running request whose row has this much text."""
    await tab.send_message("c1")
    (row,) = await sync_to_async(worker.claim)()
    await sync_to_async(worker.write)(row, "x" * PIECE * pieces)
    return row


async def stream(user: User, row: GenerationRequest, pieces: range) -> None:
    for number in pieces:
        event = MessageDelta(str(row.public_id), 1, number * PIECE, "x" * PIECE, row.context)
        await get_channel_layer().group_send(f"user.{user.pk}", event.to_dict())


async def heard(tab: Tab) -> list[dict[str, Any]]:
    """All deltas up to now."""
    found = []
    await asyncio.sleep(0.1)
    while not await tab.receive_nothing(timeout=0.02, interval=0.01):
        found.append(await tab.hear("message.delta"))
    return found


async def test_a_silent_tab_gets_a_window_full_and_the_rest_on_request(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    row = await an_answer(tab, worker, 60)
    request = str(row.public_id)
    await stream(alice, row, range(60))
    first = await heard(tab)
    assert [one["offset"] for one in first] == [n * PIECE for n in range(FITS)]

    await tab.say(type="ack", request=request, offset=FITS * PIECE)
    await tab.say(type="request.sync", request=request, offset=FITS * PIECE)
    text = "x" * FITS * PIECE
    for _ in range(200):
        for piece in await heard(tab):
            assert piece["offset"] == len(text)
            text += piece["text"]
        if len(text) == 60 * PIECE:
            break
        await tab.say(type="ack", request=request, offset=len(text))
        await tab.say(type="request.sync", request=request, offset=len(text))
    assert len(text) == 60 * PIECE


async def test_a_tab_that_says_what_came_misses_nothing(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    tab = await open_tab(alice)
    row = await an_answer(tab, worker, 60)
    for number in range(60):
        await stream(alice, row, range(number, number + 1))
        delta = await tab.hear("message.delta")
        assert delta["offset"] == number * PIECE
        end = delta["offset"] + PIECE
        await tab.say(type="ack", request=delta["request"], offset=end)


async def test_other_tabs_of_the_person_miss_nothing(
    alice: User, open_tab: OpenTab, worker: Hand
) -> None:
    silent, reader = await open_tab(alice), await open_tab(alice)
    row = await an_answer(silent, worker, 40)
    await reader.hear("message.accepted")
    for number in range(40):
        await stream(alice, row, range(number, number + 1))
        delta = await reader.hear("message.delta")
        await reader.say(type="ack", request=delta["request"], offset=(number + 1) * PIECE)
    assert len(await heard(silent)) == FITS


async def test_other_news_reach_a_full_tab(alice: User, open_tab: OpenTab, worker: Hand) -> None:
    tab = await open_tab(alice)
    row = await an_answer(tab, worker, 1)
    await stream(alice, row, range(FITS))
    await heard(tab)
    running = {"type": "request.running", "request": str(row.public_id), "attempt": 1}
    await get_channel_layer().group_send(f"user.{alice.pk}", running)
    assert await tab.hear("request.running") == running


async def test_a_tab_that_never_catches_up_is_closed(
    alice: User, open_tab: OpenTab, worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "STALLED_SECONDS", 0.05)
    tab = await open_tab(alice)
    row = await an_answer(tab, worker, 1)
    await stream(alice, row, range(FITS))
    assert len(await heard(tab)) == FITS
    await stream(alice, row, range(FITS, FITS + 1))
    assert await tab.closed_with() == 4408


async def test_a_full_tab_is_closed_even_if_nothing_more_comes(
    alice: User, open_tab: OpenTab, worker: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "STALLED_SECONDS", 0.05)
    monkeypatch.setattr(consumers, "PRESENCE_SECONDS", 0.4)
    tab = await open_tab(alice)
    row = await an_answer(tab, worker, 1)
    await stream(alice, row, range(FITS))
    assert len(await heard(tab)) == FITS
    assert await tab.closed_with() == 4408
