"""The server that runs worker consumers: what Channels' own lacks."""

import asyncio
from typing import Any

import pytest
from channels.exceptions import StopConsumer

from inference.consumers import DRAIN
from inference.server import InferenceServer
from tests.inference.scripted import until


class Layer:
    """Gives out what the test puts in; an exception in the queue is raised."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[Any] = asyncio.Queue()

    async def receive(self, channel: str) -> Any:
        message = await self.messages.get()
        if isinstance(message, Exception):
            raise message
        return message


class App:
    """A consumer that starts when told to, remembers what it hears and drains when asked."""

    def __init__(self, start_error: Exception | None = None, load_seconds: float = 0.0) -> None:
        self.start_error = start_error
        self.load_seconds = load_seconds
        self.heard: list[dict[str, Any]] = []
        self.ended = ""

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(self.load_seconds)
            if self.start_error:
                raise self.start_error
            scope["on_start"](None)
            while True:
                message = await receive()
                if message["type"] == DRAIN:
                    self.ended = "drained"
                    raise StopConsumer
                self.heard.append(message)
        except asyncio.CancelledError:
            self.ended = "cancelled"
            raise
        except StopConsumer:
            return


class Server(InferenceServer):
    owns_signals = False


@pytest.fixture
def layer() -> Layer:
    return Layer()


async def test_the_consumer_runs_before_any_message_and_drains_on_stop(layer: Layer) -> None:
    app = App()
    started: list[Exception | None] = []
    server = Server(app, ["inference"], layer, on_start=started.append)
    serving = asyncio.ensure_future(server.arun())
    await until(lambda: started == [None])
    server.request_stop()
    server.request_stop()
    await serving
    assert app.ended == "drained"
    assert server.error is None


async def test_malformed_messages_and_a_lost_layer_end_nothing(
    layer: Layer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.server.RELISTEN_SECONDS", 0.01)
    app = App()
    server = Server(app, ["inference"], layer)
    serving = asyncio.ensure_future(server.arun())
    for message in ({}, "text", {"no": "type"}, ConnectionError("gone"), {"type": "good"}):
        layer.messages.put_nowait(message)
    await until(lambda: app.heard)
    assert app.heard == [{"type": "good"}]
    server.request_stop()
    await serving


async def test_a_consumer_that_cannot_start_ends_the_server_with_its_reason(layer: Layer) -> None:
    server = Server(App(start_error=ValueError("no such model")), ["inference"], layer)
    await asyncio.wait_for(server.arun(), 5)
    assert str(server.error) == "no such model"


async def test_a_stop_while_loading_does_not_wait_for_the_model(layer: Layer) -> None:
    app = App(load_seconds=60)
    server = Server(app, ["inference"], layer)
    serving = asyncio.ensure_future(server.arun())
    await asyncio.sleep(0.05)
    server.request_stop()
    await asyncio.wait_for(serving, 5)
    assert app.ended == "cancelled"
    assert server.error is None


class DeafLayer(Layer):
    """Swallows the first cancel, as the client of Redis can while it connects."""

    async def receive(self, channel: str) -> Any:
        try:
            return await super().receive(channel)
        except asyncio.CancelledError:
            return await super().receive(channel)


async def test_a_stop_ends_a_listener_that_swallows_a_cancel() -> None:
    app = App()
    server = Server(app, ["inference"], DeafLayer())
    serving = asyncio.ensure_future(server.arun())
    await asyncio.sleep(0.05)
    server.request_stop()
    await asyncio.wait_for(serving, 5)
    assert app.ended == "drained"
