"""One open live page: `/ws/admin/queue/`. Sends what the feed tells, to those who may watch.

A page that reads slowly gets nothing for a while and then everything at once: Daphne would keep in
memory whatever is sent to it. The rights are looked up every few seconds, by the database alone.
"""

import asyncio
import json
import logging
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer

from inference.monitor.access import Access, access_of
from inference.monitor.feed import MonitorFeed, feed

logger = logging.getLogger(__name__)

CLOSE_SIGNED_OUT = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_TOO_SLOW = 4408
CLOSE_TRY_AGAIN = 1012
CLOSE_CODES = {Access.SIGNED_OUT: CLOSE_SIGNED_OUT, Access.FORBIDDEN: CLOSE_FORBIDDEN}
ACCESS_SECONDS = 4.0
# Frames that a page has not said to have received.
WINDOW_FRAMES = 8
STALLED_LOOKS = 8


class QueueMonitorConsumer(AsyncWebsocketConsumer):
    """A tab of somebody on the staff."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._feed: MonitorFeed | None = None
        self._sender: asyncio.Task[None] | None = None
        self._guard: asyncio.Task[None] | None = None
        self._frames: asyncio.Queue[str] = asyncio.Queue()
        self._on_the_way = 0
        self._missed = False
        self._stalled = 0  # looks at the rights since the page last said something, while full

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._let_go()  # a server that shuts down never calls disconnect()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Without the hop to the database thread that Channels makes before every event."""
        handlers = {
            "websocket.connect": self.websocket_connect,
            "websocket.receive": self.websocket_receive,
            "websocket.disconnect": self.websocket_disconnect,
        }
        handler = handlers.get(str(message.get("type")))
        if handler is not None:
            await handler(message)

    async def connect(self) -> None:
        await self.accept()
        if await self._may_watch():
            self._feed = feed()
            self._feed.join(self._hear)
            self._sender = asyncio.create_task(self._send_for_ever())
            self._guard = asyncio.create_task(self._look_at_rights())

    async def disconnect(self, code: int) -> None:
        self._let_go()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """`ack`: a frame has arrived. `look`: something was changed by hand, look now."""
        kind = _type_of(text_data)
        if kind == "ack":
            self._acked()
        elif kind == "look" and self._feed is not None:
            self._feed.look_now()

    def _hear(self, frame: str) -> None:
        if self._on_the_way >= WINDOW_FRAMES:
            self._missed = True
            return
        self._on_the_way += 1
        self._frames.put_nowait(frame)

    def _acked(self) -> None:
        self._on_the_way = max(0, self._on_the_way - 1)
        self._stalled = 0
        if self._missed and self._on_the_way == 0 and self._feed is not None:
            self._missed = False
            self._hear(self._feed.whole())

    async def _send_for_ever(self) -> None:
        try:
            while True:
                await self.send(text_data=await self._frames.get())
        except Exception:
            logger.info("A watcher has left.")

    async def _look_at_rights(self) -> None:
        while True:
            await asyncio.sleep(ACCESS_SECONDS)
            if not await self._may_watch():
                return
            self._stalled += self._missed
            if self._stalled > STALLED_LOOKS:
                await self._end(CLOSE_TOO_SLOW)
                return

    async def _may_watch(self) -> bool:
        """Closes the socket of whoever may not, or of whom that cannot be said yet."""
        session = self.scope.get("session")
        key = getattr(session, "session_key", None)
        try:
            access = await database_sync_to_async(access_of)(key)
        except Exception:
            logger.warning("The rights of a watcher could not be looked up.", exc_info=True)
            if self._feed is not None:
                return True  # known to be good a moment ago; nothing can be read now either
            await self._end(CLOSE_TRY_AGAIN)
            return False
        if access is Access.WATCH:
            return True
        await self._end(CLOSE_CODES[access])
        return False

    async def _end(self, code: int) -> None:
        """Closes, and sends nothing after it, nor what is still to go out."""
        self._leave_feed()
        if self._sender is not None:
            self._sender.cancel()
        await self.close(code=code)

    def _leave_feed(self) -> None:
        if self._feed is not None:
            self._feed.leave(self._hear)
            self._feed = None

    def _let_go(self) -> None:
        self._leave_feed()
        for task in (self._sender, self._guard):
            if task is not None:
                task.cancel()


def _type_of(text: str | None) -> str:
    try:
        found = json.loads(text or "")
    except ValueError:
        return ""
    return str(found.get("type", "")) if isinstance(found, dict) else ""
