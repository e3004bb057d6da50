"""One browser tab on `/ws/chat/`: its life, and the events that reach it.

Owns the socket. What a frame asks for is in `chat.handlers`; knows no tokens and no models.
Channels hops to the one database thread before every event; `dispatch` here does not, so that a
token never waits behind a slow query. Database work goes through `database_sync_to_async` alone.
"""

import asyncio
import logging
import random
from types import SimpleNamespace
from typing import Any, ClassVar, cast

from channels.db import database_sync_to_async
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer
from django.http import HttpRequest
from django.utils import translation
from django.utils.translation import gettext as _

from chatsite.accounts.sessions import Login, SessionEnded
from chatsite.chat import frames, handlers, protocol
from chatsite.chat.groups import EVERYBODY, session_group, user_group
from chatsite.chat.limits import TokenBucket
from chatsite.chat.send_window import SendWindow
from inference.queue import keep_wanted

logger = logging.getLogger(__name__)

CLOSE_BAD_FRAMES = 4400
CLOSE_SIGNED_OUT = 4401
CLOSE_FORBIDDEN = 4403
CLOSE_TOO_SLOW = 4408
CLOSE_TOO_MANY = 4429
CLOSE_TRY_AGAIN = 1012

PRESENCE_SECONDS = 10.0
SESSION_CHECK_SECONDS = 60.0
BAD_FRAMES_IN_A_ROW = 20
# For so long a full window may stay as it is.
STALLED_SECONDS = 30.0


class ChatConsumer(AsyncWebsocketConsumer):
    """A tab of a signed-in person."""

    # The only events that are handled: a name from outside never picks a method.
    EVENTS: ClassVar[dict[str, str]] = {
        "websocket.connect": "websocket_connect",
        "websocket.receive": "websocket_receive",
        "websocket.disconnect": "websocket_disconnect",
        "request.waiting": "forward",
        "request.running": "forward",
        "message.delta": "forward_text",
        "message.finished": "forward",
        "message.accepted": "accepted_elsewhere",
        "session.ended": "session_ended",
        "session.check": "session_check",
        "site.notice": "site_notice",
    }

    login: Login

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._over = False
        self._groups: list[str] = []
        self._waiting: set[str] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._bad_frames = 0
        # Acks come with every delta; other frames come from a person's hand.
        self._all_frames = TokenBucket(rate=300, burst=600)
        self.frames = TokenBucket(rate=20, burst=60)
        self._patience = TokenBucket(rate=1, burst=100)
        self._window = SendWindow()
        # Past a full window: so that a client which only tells what it has without a gap gets on.
        self._spare = TokenBucket(rate=1, burst=1)

    # --- Life ---

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        translation.activate(_language_of(scope))  # for this task alone
        try:
            await super().__call__(scope, receive, send)
        finally:
            # A server that shuts down cancels us and never calls disconnect().
            await self._let_go()

    async def dispatch(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        name = self.EVENTS.get(kind) if isinstance(kind, str) else None
        if name is None:
            logger.warning("An event of the unknown type %r was ignored.", kind)
            return
        try:
            await getattr(self, name)(message)
        except StopConsumer:
            raise
        except Exception:
            logger.exception("A %s event could not be handled.", message["type"])
            await self._apologise()

    async def connect(self) -> None:
        await self.accept()
        user = self.scope["user"]
        if not user.is_authenticated:
            await self.end(CLOSE_SIGNED_OUT)
            return
        self.login = Login(user.pk, self.scope["session"].session_key)
        # Groups first, then the state: what happens in between comes after the hello.
        for group in (EVERYBODY, user_group(user.pk), session_group(self.login.session_key)):
            self._groups.append(group)  # before: also what fails half-way is to be left again
            await self.channel_layer.group_add(group, self.channel_name)
        for frame in await database_sync_to_async(handlers.greeting)(user):
            if frame["type"] == "request.waiting":
                self.watch(frame["request"])
            await self.push(frame)
        self._keeper = asyncio.create_task(self._keep())

    async def disconnect(self, code: int) -> None:
        self._over = True
        await self._let_go()

    async def push(self, frame: frames.Frame) -> None:
        """Sends a frame to this tab, unless it is closed."""
        if not self._over:
            await self.send(text_data=frames.encode(frame))

    async def push_text(self, frame: frames.Frame, is_asked_for: bool = False) -> bool:
        """Sends a delta, or drops it when too much is on its way: what is missed is asked for."""
        if not self._window.has_room and not (is_asked_for and self._spare.take()):
            await self._end_if_stalled()
            return False
        text = frames.encode(frame)
        end = frame["offset"] + len(frame["text"])
        self._window.sent(frame["request"], end, frames.size_of(text))
        if not self._over:
            await self.send(text_data=text)
        return True

    async def _end_if_stalled(self) -> None:
        if self._window.seconds_stalled() > STALLED_SECONDS:
            await self.end(CLOSE_TOO_SLOW)

    async def end(self, code: int) -> None:
        """Closes this tab; nothing is sent or heard after it."""
        if not self._over:
            self._over = True
            await self.close(code=code)

    async def _let_go(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            self._keeper = None
        while self._groups:
            try:
                await self.channel_layer.group_discard(self._groups.pop(), self.channel_name)
            except Exception:
                logger.warning("A group could not be left; it expires.", exc_info=True)

    async def _apologise(self) -> None:
        try:
            if self._keeper is None:  # not greeted yet: the client shall try again
                await self.end(CLOSE_TRY_AGAIN)
            else:
                await self.push(frames.error("internal", _internal_error()))
        except Exception:
            logger.info("The peer has left.")

    # --- From the browser ---

    async def websocket_receive(self, message: dict[str, Any]) -> None:
        if self._over:
            return
        if not self._all_frames.take():
            await self._overrun(None)
            return
        try:
            frame = protocol.parse_frame(message.get("text"))
        except protocol.FrameError as error:
            await self._bad_frame(error)
            return
        self._bad_frames = 0
        if isinstance(frame, protocol.Ack | protocol.RequestSync):
            self._window.acked(frame.request, frame.offset)
        if isinstance(frame, protocol.Ack):
            return
        client_id = getattr(frame, "client_id", None)
        if self.frames.take():
            await self._handle(frame, client_id)
        else:
            await self._overrun(client_id)

    async def _handle(self, frame: protocol.ClientFrame, client_id: str | None) -> None:
        try:
            await handlers.handle(self, frame)
        except SessionEnded as ended:
            await self._sign_off(ended)
        except Exception:
            logger.exception("A %s frame could not be handled.", type(frame).__name__)
            await self.push(frames.failure(client_id, "internal", _internal_error()))

    async def _bad_frame(self, error: protocol.FrameError) -> None:
        await self.push(frames.failure(error.client_id, error.code, error.detail))
        self._bad_frames += 1
        if self._bad_frames > BAD_FRAMES_IN_A_ROW:
            await self.end(CLOSE_BAD_FRAMES)

    async def _overrun(self, client_id: str | None) -> None:
        if not self._patience.take():
            await self.end(CLOSE_TOO_MANY)
            return
        wait = max(0.1, round(self.frames.seconds_until_ready(), 1))
        detail = _("Too many messages at once. Wait a moment.")
        await self.push(frames.failure(client_id, "rate_limited", detail, wait))

    # --- From the channel layer ---

    async def forward(self, event: dict[str, Any]) -> None:
        """An event of the queue is a frame already."""
        if event["type"] == "request.waiting":
            self._waiting.add(event["request"])
        else:
            self._waiting.discard(event["request"])
        await self.push(event)

    async def forward_text(self, event: dict[str, Any]) -> None:
        await self.push_text(event)

    async def accepted_elsewhere(self, event: dict[str, Any]) -> None:
        """Another tab sent something; the tab that did has its answer already."""
        if event["origin"] != self.channel_name:
            frame = {name: value for name, value in event.items() if name != "origin"}
            self.watch(frame["request"])
            await self.push(frame)

    async def site_notice(self, event: dict[str, Any]) -> None:
        await self.push(frames.notice(event["text"]))

    async def session_ended(self, event: dict[str, Any]) -> None:
        await self.end(CLOSE_SIGNED_OUT)

    async def session_check(self, event: dict[str, Any] | None = None) -> None:
        try:
            await database_sync_to_async(self.login.current_user)()
        except SessionEnded as ended:
            await self._sign_off(ended)

    async def _sign_off(self, ended: SessionEnded) -> None:
        await self.end(CLOSE_FORBIDDEN if ended.forbidden else CLOSE_SIGNED_OUT)

    # --- From the clock ---

    def watch(self, request_id: str) -> None:
        """The person waits for this request, as far as this tab knows."""
        self._waiting.add(request_id)

    async def _keep(self) -> None:
        """Every ten seconds: somebody waits here. Every minute: does the login still hold?"""
        until_check = _jittered(SESSION_CHECK_SECONDS)
        while not self._over:
            await asyncio.sleep(PRESENCE_SECONDS)
            until_check -= PRESENCE_SECONDS
            try:
                await self._end_if_stalled()
                await self._keep_wanted()
                if until_check <= 0:
                    until_check = _jittered(SESSION_CHECK_SECONDS)
                    await self.session_check()
            except Exception:
                logger.exception("A socket could not look after its requests.")

    async def _keep_wanted(self) -> None:
        # Our own list only saves queries; the database decides what waits.
        if self._waiting and not await database_sync_to_async(keep_wanted)(self.login.user_id):
            self._waiting.clear()


def _jittered(seconds: float) -> float:
    # Sockets that came back together after a restart must not ask the database together.
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 (no secret)


def _internal_error() -> str:
    return _("Something went wrong on our side. Try again.")


def _language_of(scope: dict[str, Any]) -> str:
    """The language of this socket's sentences: its cookie's, else the browser's."""
    headers = {name.lower(): value for name, value in scope.get("headers", [])}
    request = SimpleNamespace(
        COOKIES=scope.get("cookies", {}),
        META={"HTTP_ACCEPT_LANGUAGE": headers.get(b"accept-language", b"").decode("latin-1")},
    )
    return translation.get_language_from_request(cast(HttpRequest, request))
