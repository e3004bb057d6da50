"""A person who never gives up: the client that docs/protocol.md describes, as a test drives it.

Comes back whenever the socket closes, sends again what was not confirmed, asks for what is missing.
"""

import asyncio
import json
import random
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.support.client import Person
from tests.support.kept_text import Event, KeptText

QUIET_SECONDS = 5.0
SYNC_SECONDS = 0.5
LOOK_SECONDS = 0.1
ACK_BYTES = 16_384


@dataclass
class Asked:
    """One message, and what came of it. Times are monotonic seconds."""

    text: str
    seed: int
    client_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    request: str = ""
    kept: KeptText = field(default_factory=KeptText)
    heard_at: float = 0.0
    # When the text became longer, from the sending on and up to the end.
    grew_at: list[float] = field(default_factory=lambda: [time.monotonic()])
    syncs: int = 0
    rejections: list[Event] = field(default_factory=list)


class Regular:
    """Asks one thing after the other with one session, at whichever web process answers."""

    def __init__(self, urls: list[str], number: int, message: str) -> None:
        self.asked: list[Asked] = []
        self.broken: list[str] = []  # what the server must never say
        self.connections = 0
        self.urls = urls
        self._number = number
        self._message = message
        self.cookies = ""
        self._stopping = False
        self._moving = False
        self._unconfirmed = 0
        self._synced_at = 0.0

    async def come_in(self) -> None:
        url = self.urls[self._number % len(self.urls)]
        person = await Person.guest(url)
        jar: httpx.Cookies = person.http.cookies
        self.cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in jar.jar)
        await person.close()

    def move_to(self, urls: list[str]) -> None:
        """Leaves the web process it talks to, in the middle of whatever it hears."""
        self.urls, self._moving = urls, True

    def stop_asking(self) -> None:
        self._stopping = True

    async def stay(self) -> None:
        """Until it was told to stop and its last answer is whole."""
        pause = 0.1
        while not self._is_content:
            url = self.urls[(self._number + self.connections) % len(self.urls)]
            with suppress(OSError, WebSocketException, TimeoutError):
                async with connect(
                    f"{url.replace('http', 'ws', 1)}/ws/chat/",
                    origin=url,  # type: ignore[arg-type]
                    additional_headers={"Cookie": self.cookies},
                    max_size=None,
                    open_timeout=5,
                    ping_interval=None,
                    close_timeout=1,
                    proxy=None,
                ) as socket:
                    pause = 0.1
                    await self._talk(socket)
            self.connections += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))
            pause = min(2 * pause, 2.0)

    @property
    def now(self) -> Asked | None:
        """What it waits for the answer of."""
        return self.asked[-1] if self.asked and not self.asked[-1].kept.is_whole else None

    @property
    def _is_content(self) -> bool:
        return self._stopping and self.now is None

    async def _talk(self, socket: ClientConnection) -> None:
        hello = json.loads(await asyncio.wait_for(socket.recv(), 10))
        assert hello["type"] == "hello", hello
        self._unconfirmed = 0
        self._moving = False
        if self.now is not None:
            await self._resume(socket, self.now)
        while not (self._is_content or self._moving):
            await self._ask_if_idle(socket)
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._hear(socket, str(await socket.recv()))
            await self._sync_if_due(socket)

    async def _resume(self, socket: ClientConnection, asked: Asked) -> None:
        asked.heard_at = time.monotonic()
        if not asked.request:
            await self._send(socket, asked)
        else:
            await self._sync(socket, asked)

    async def _ask_if_idle(self, socket: ClientConnection) -> None:
        if self.now is None and not self._stopping:
            self.asked.append(Asked(self._message, 1000 * self._number + len(self.asked)))
            await self._send(socket, self.asked[-1])

    async def _send(self, socket: ClientConnection, asked: Asked) -> None:
        asked.heard_at = time.monotonic()
        frame = {"type": "message.send", "client_id": asked.client_id, "conversation": None}
        await _say(socket, **frame, text=asked.text, params={"seed": asked.seed})

    async def _hear(self, socket: ClientConnection, raw: str) -> None:
        event = json.loads(raw)
        asked = self.now
        if event["type"] == "error":
            self.broken.append(raw)
        elif asked is not None and event.get("client_id") == asked.client_id:
            await self._answered(socket, asked, event)
        elif asked is not None and asked.request and event.get("request") == asked.request:
            self._take(asked, event)
        await self._confirm(socket, event, len(raw))

    async def _answered(self, socket: ClientConnection, asked: Asked, event: Event) -> None:
        asked.heard_at = time.monotonic()
        if event["type"] == "message.accepted":
            if asked.request not in ("", event["request"]):
                self.broken.append(f"two requests for one client_id: {event}")
            asked.request = event["request"]
        else:
            asked.rejections.append(event)
            await asyncio.sleep(min(event.get("retry_after") or 1.0, 2.0))
            await self._send(socket, asked)

    def _take(self, asked: Asked, event: Event) -> None:
        before = len(asked.kept.text)
        asked.heard_at = time.monotonic()
        asked.kept.take(event)
        if len(asked.kept.text) > before or asked.kept.is_whole:
            asked.grew_at.append(asked.heard_at)

    async def _confirm(self, socket: ClientConnection, event: Event, size: int) -> None:
        if event["type"] != "message.delta":
            return
        self._unconfirmed += size
        if self._unconfirmed >= ACK_BYTES:
            self._unconfirmed = 0
            end = event["offset"] + len(event["text"])
            await _say(socket, type="ack", request=event["request"], offset=end)

    async def _sync_if_due(self, socket: ClientConnection) -> None:
        asked, now = self.now, time.monotonic()
        if asked is None or now - self._synced_at < SYNC_SECONDS:
            return
        is_quiet = now - asked.heard_at > QUIET_SECONDS
        if is_quiet and not asked.request:
            await self._send(socket, asked)
        elif asked.request and (is_quiet or asked.kept.misses_something):
            await self._sync(socket, asked)

    async def _sync(self, socket: ClientConnection, asked: Asked) -> None:
        self._synced_at = asked.heard_at = time.monotonic()
        asked.syncs += 1
        offset = len(asked.kept.text)
        await _say(socket, type="request.sync", request=asked.request, offset=offset)


async def _say(socket: ClientConnection, **frame: Any) -> None:
    await socket.send(json.dumps(frame))
