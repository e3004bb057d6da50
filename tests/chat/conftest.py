"""The tabs that people open, and a worker to hand out what they ask for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import suppress

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.layers import channel_layers
from django.db import connections

from chatsite.accounts.models import User
from tests.chat.tools import ORIGIN, PATIENCE, Hand, OpenTab, Tab, session_cookie


@pytest.fixture(autouse=True)
def fresh_channel_layer() -> Iterator[None]:
    """The in-memory layer holds queues of the last test's event loop."""
    channel_layers.backends.clear()
    yield
    channel_layers.backends.clear()


@pytest_asyncio.fixture
async def open_tab(transactional_db: None) -> AsyncIterator[OpenTab]:
    """Opens a tab: for a user (a new login), or with a given session cookie; reads its hello."""
    from chatsite.asgi import application

    tabs: list[Tab] = []

    async def opened(
        user: User | None = None,
        cookie: str = "",
        origin: str | None = ORIGIN,
        language: str = "en",
        hello: bool = True,
    ) -> Tab:
        if user is not None:
            cookie = await sync_to_async(session_cookie)(user)
        headers = [(b"host", b"localhost"), (b"accept-language", language.encode())]
        if origin is not None:
            headers.append((b"origin", origin.encode()))
        if cookie:
            headers.append((b"cookie", f"sessionid={cookie}".encode()))
        tab = Tab(application, "/ws/chat/", headers=headers)
        tabs.append(tab)
        tab.connected, _protocol = await tab.connect(timeout=PATIENCE)
        if hello:
            tab.hello = await tab.hear("hello")
        return tab

    yield opened
    for tab in tabs:
        with suppress(BaseException):
            await tab.disconnect(timeout=PATIENCE)
    # The thread of the tabs' database work keeps a connection, which would outlive the database.
    await sync_to_async(connections.close_all)()


@pytest.fixture
def worker(db: None) -> Hand:
    return Hand()
