"""Staff with and without the rights, and sockets to the live page."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from chatsite.accounts.models import User
from tests.chat.tools import ORIGIN, session_cookie
from tests.support.rights import allow

PATIENCE = 10.0


class Watcher(WebsocketCommunicator):
    """A live page's socket; reads frames as dicts, and says so unless told otherwise."""

    async def hear(self, ack: bool = True) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.receive_from(PATIENCE))
        if ack:
            await self.send_json_to({"type": "ack"})
        return frame

    async def closed_with(self) -> int:
        """The close code; frames before it are skipped."""
        while True:
            event = await self.receive_output(PATIENCE)
            if event["type"] == "websocket.close":
                code: int = event["code"]
                return code


Watch = Callable[..., Awaitable[Watcher]]


@pytest_asyncio.fixture
async def watch(transactional_db: None) -> AsyncIterator[Watch]:
    """Opens the live page's socket, with the session of a user or as a stranger."""
    from chatsite.asgi import application

    opened: list[Watcher] = []

    async def watching(user: User | None = None, cookie: str = "") -> Watcher:
        if user is not None:
            cookie = await sync_to_async(session_cookie)(user)
        headers = [(b"host", b"localhost"), (b"origin", ORIGIN.encode())]
        if cookie:
            headers.append((b"cookie", f"sessionid={cookie}".encode()))
        watcher = Watcher(application, "/ws/admin/queue/", headers=headers)
        opened.append(watcher)
        await watcher.connect(timeout=PATIENCE)
        return watcher

    yield watching
    for watcher in opened:
        with suppress(Exception):
            await watcher.disconnect()


@pytest.fixture
def watcher(charlie: User) -> User:
    """On the staff, and may watch."""
    return allow(charlie, "watch_queue")


@pytest.fixture
def steerer(db: None) -> User:
    """On the staff, and may watch and steer."""
    dora = User.objects.create_user("dora", password="dora-knows-it", is_staff=True)
    return allow(dora, "watch_queue", "steer_queue")
