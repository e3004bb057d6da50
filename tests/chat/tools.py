"""A browser tab on the real ASGI application, and a worker's hand on the real queue."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from channels.testing import WebsocketCommunicator
from django.test import Client

from chatsite.accounts.models import User
from inference.liveness import ProcessIdentity
from inference.models import GenerationRequest, WorkerNode
from inference.queue.claiming import claim
from inference.queue.running import Ending, Progress, checkpoint, finish
from inference.queue.workers import register, report

ORIGIN = "http://localhost"
PATIENCE = 10.0


class Tab(WebsocketCommunicator):
    """One browser tab; reads frames as dicts."""

    connected: bool
    hello: dict[str, Any]

    async def say(self, **frame: Any) -> None:
        await self.send_json_to(frame)

    async def raw(self, text: str | None = None, data: bytes | None = None) -> None:
        await self.send_input({"type": "websocket.receive", "text": text, "bytes": data})

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next frame, which must be of this type."""
        event = await self.receive_output(PATIENCE)
        assert event["type"] == "websocket.send", event
        frame: dict[str, Any] = json.loads(event["text"])
        assert frame["type"] == kind, frame
        return frame

    async def closed_with(self) -> int:
        """The close code; nothing but the close may come."""
        event = await self.receive_output(PATIENCE)
        assert event["type"] == "websocket.close", event
        code: int = event["code"]
        return code

    async def send_message(self, client_id: str = "c1", **fields: Any) -> dict[str, Any]:
        """Sends and returns `message.accepted`."""
        message = {"conversation": None, "text": "Hello", **fields}
        await self.say(type="message.send", client_id=client_id, **message)
        return await self.hear("message.accepted")

    async def silent(self) -> bool:
        quiet: bool = await self.receive_nothing(timeout=0.15, interval=0.02)
        return quiet


OpenTab = Callable[..., Awaitable[Tab]]


def session_cookie(user: User) -> str:
    client = Client()
    client.force_login(user)
    return client.cookies["sessionid"].value


class Hand:
    """Does to the queue what a worker does, through the queue's own functions."""

    def __init__(self) -> None:
        self.node: WorkerNode = register("hand", "localhost", ProcessIdentity("", 1, 0))
        report(self.node, state=WorkerNode.State.READY, model="demo", slots=8, engine="mock")

    def claim(self) -> list[GenerationRequest]:
        return claim(self.node, held=0)

    def write(self, request: GenerationRequest, text: str) -> None:
        checkpoint(self.node, [self._progress(request, text)])

    def end(self, request: GenerationRequest, text: str, reason: str = "stop") -> None:
        code = "engine_error" if reason == "failed" else ""
        ended = finish(self.node, Ending(self._progress(request, text), reason, code, code))
        assert ended is not None

    @staticmethod
    def _progress(request: GenerationRequest, text: str) -> Progress:
        return Progress(
            key=request.pk,
            attempt=request.attempt,
            text=text,
            token_ids=list(range(len(text))),
            prompt_tokens=3,
            cached_tokens=0,
            truncated=False,
            first_token_at=None,
        )
