"""A person at one tab: comes in over HTTP as a browser does, then talks over the socket."""

import asyncio
import json
import re
import socket
import struct
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

PATIENCE = 20.0
# One word that a delta came confirms all before it.
ACK_BYTES = 16_384
_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')


@dataclass(frozen=True)
class Frame:
    """One frame from the server: when it came, how long it was, what it says."""

    at: float
    size: int
    data: dict[str, Any]

    @property
    def type(self) -> str:
        kind: str = self.data["type"]
        return kind

    def __getitem__(self, name: str) -> Any:
        return self.data[name]


@dataclass
class Answer:
    """An answer put together from deltas by their offsets."""

    request: str
    text: str = ""
    attempt: int = 0
    deltas: list[Frame] = field(default_factory=list)
    end: Frame | None = None

    def add(self, delta: Frame) -> None:
        """Fails on a gap or a repetition; a new attempt may go back to an earlier offset."""
        if delta["attempt"] > self.attempt:
            self.attempt = delta["attempt"]
            self.text = self.text[: delta["offset"]]
        assert delta["attempt"] == self.attempt, f"a delta of an older attempt: {delta}"
        assert delta["offset"] == len(self.text), f"{len(self.text)} characters, then {delta}"
        self.text += delta["text"]
        self.deltas.append(delta)

    @property
    def finish_reason(self) -> str:
        assert self.end is not None
        reason: str = self.end["finish_reason"]
        return reason

    @property
    def completion_tokens(self) -> int:
        assert self.end is not None
        tokens: int = self.end["usage"]["completion_tokens"]
        return tokens

    @property
    def bytes(self) -> int:
        return sum(delta.size for delta in self.deltas)


class Person:
    """Signed in, with a socket open; made by `guest`."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.url = url
        self.http = http
        self.frames: list[Frame] = []
        self.close_code: int | None = None
        self._unconfirmed = 0
        # Cleared, nothing is read: the kernel's buffers fill, as with a page that is stopped.
        self.may_read = asyncio.Event()
        self.may_read.set()
        self._news = asyncio.Condition()
        self._socket: ClientConnection | None = None
        self._reader: asyncio.Task[None] | None = None

    @classmethod
    async def guest(cls, url: str) -> "Person":
        """Continues as a guest and opens the chat page's socket."""
        http = httpx.AsyncClient(base_url=url, follow_redirects=True, timeout=PATIENCE)
        page = await http.get("/")
        found = _TOKEN.search(page.text)
        assert page.status_code == 200 and found, page.text[:500]
        entered = await http.post(
            "/accounts/guest/",
            data={"csrfmiddlewaretoken": found[1]},
            headers={"Referer": f"{url}/", "Origin": url},
        )
        assert entered.status_code == 200, entered.text[:500]
        person = cls(url, http)
        await person.open()
        return person

    # --- The socket ----------------------------------------------------------------------------

    async def open(self) -> Frame:
        """Opens (another) socket with the same session; returns its `hello`."""
        await self.leave()
        before = len(self.frames)
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.http.cookies.jar)
        self._socket = await connect(
            f"{self.url.replace('http', 'ws', 1)}/ws/chat/",
            origin=self.url,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            max_size=None,
            ping_interval=None,  # a browser does not ping; idle sockets must live without it
            proxy=None,
        )
        self.close_code = None
        self._reader = asyncio.create_task(self._read(self._socket))
        return await self.wait_for("hello", since=before)

    async def close(self) -> None:
        await self.leave()
        await self.http.aclose()

    async def say(self, **frame: Any) -> None:
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    async def ping(self) -> None:
        """Returns with the server's pong."""
        assert self._socket is not None
        async with asyncio.timeout(PATIENCE):
            await (await self._socket.ping())

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for raw in socket:
                await self.may_read.wait()
                size = len(raw.encode() if isinstance(raw, str) else raw)
                frame = Frame(time.monotonic(), size, json.loads(raw))
                await self._hear(frame)
                await self._confirm(frame)
        async with self._news:
            self.close_code = socket.close_code
            self._news.notify_all()

    async def _hear(self, frame: Frame) -> None:
        async with self._news:
            self.frames.append(frame)
            self._news.notify_all()

    async def _confirm(self, frame: Frame) -> None:
        if frame.type != "message.delta":
            return
        self._unconfirmed += frame.size
        if self._unconfirmed >= ACK_BYTES:
            self._unconfirmed = 0
            end = frame["offset"] + len(frame["text"])
            await self.say(type="ack", request=frame["request"], offset=end)

    async def leave(self, rudely: bool = False) -> None:
        """Closes the tab, not the session; rudely: without a word to the server."""
        if self._socket is not None and rudely:
            self._socket.transport.abort()
        if self._socket is not None:
            await self._socket.close()
        if self._reader is not None:
            await self._reader
        self._socket = self._reader = None

    async def crash(self) -> None:
        """The connection is reset without a word, as when a browser is killed."""
        assert self._socket is not None
        transport = self._socket.transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
        await self.leave()

    # --- What was heard ------------------------------------------------------------------------

    async def wait_for(
        self,
        *types: str,
        where: Callable[[Frame], bool] = lambda frame: True,
        since: int = 0,
        seconds: float = PATIENCE,
        **fields: Any,
    ) -> Frame:
        """The first frame, from index `since` on, of one of the types with these fields."""

        def fits(frame: Frame) -> bool:
            same = all(frame.data.get(name) == value for name, value in fields.items())
            return frame.type in types and same and where(frame)

        position = since
        try:
            async with asyncio.timeout(seconds), self._news:
                while True:
                    for frame in self.frames[position:]:
                        if fits(frame):
                            return frame
                    position = len(self.frames)
                    assert self.close_code is None, f"the socket closed with {self.close_code}"
                    await self._news.wait()
        except TimeoutError:
            seen = [frame.data for frame in self.frames[-12:]]
            raise AssertionError(f"no {types} {fields} in {seconds:g} s; last: {seen}") from None

    async def wait_until(self, holds: Callable[[], bool], seconds: float = PATIENCE) -> None:
        """Looks again after every frame."""
        async with asyncio.timeout(seconds), self._news:
            await self._news.wait_for(holds)

    def heard(self, kind: str, **fields: Any) -> list[Frame]:
        return [
            frame
            for frame in self.frames
            if frame.type == kind and all(frame.data.get(n) == v for n, v in fields.items())
        ]

    # --- Chatting ------------------------------------------------------------------------------

    async def try_send(self, text: str, conversation: str | None = None, **params: Any) -> Frame:
        """Sends a message; returns `message.accepted` or `request.rejected`."""
        client_id = uuid.uuid4().hex
        await self.say(
            type="message.send",
            client_id=client_id,
            conversation=conversation,
            text=text,
            params=params,
        )
        return await self.wait_for("message.accepted", "request.rejected", client_id=client_id)

    async def send(self, text: str, conversation: str | None = None, **params: Any) -> str:
        """Sends a message that must be accepted; returns its request id."""
        accepted = await self.try_send(text, conversation, **params)
        assert accepted.type == "message.accepted", accepted
        request: str = accepted["request"]
        return request

    async def abort(self, request: str) -> None:
        await self.say(type="request.abort", request=request)

    async def answer(self, request: str, seconds: float = 60.0) -> Answer:
        """The whole answer once it has ended; its offsets and length must agree."""
        end = await self.wait_for("message.finished", request=request, seconds=seconds)
        answer = self.answer_so_far(request)
        answer.end = end
        assert end["length"] == len(answer.text), f"{end} for {len(answer.text)} characters"
        return answer

    def answer_so_far(self, request: str) -> Answer:
        answer = Answer(request)
        for delta in self.heard("message.delta", request=request):
            answer.add(delta)
        return answer

    async def leave_nothing_running(self) -> None:
        """Ends what this person still has in the queue."""
        if self._socket is None or self.close_code is not None:
            return
        ended = {frame["request"] for frame in self.heard("message.finished")}
        for accepted in self.heard("message.accepted"):
            if accepted["request"] not in ended:
                await self.abort(accepted["request"])
                await self.wait_for("message.finished", request=accepted["request"])
