"""Publishing waits for nobody: not for a slow layer, not for a broken one."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from inference import publishers
from inference.messages import MessageDelta, MessageFinished
from inference.publishers import GroupPublisher
from tests.inference.scripted import until


class Layer:
    """Notes what is sent; freezes or breaks when told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.batches = 0
        self.error: Exception | None = None
        self.may_send = asyncio.Event()
        self.may_send.set()

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        await self.may_send.wait()
        if self.error is not None:
            raise self.error
        self.sent.append((group, message))

    def types(self) -> list[str]:
        return [message["type"] for _, message in self.sent]


class BatchLayer(Layer):
    async def group_send_many(self, messages: Iterable[tuple[str, dict[str, Any]]]) -> None:
        self.batches += 1
        for group, message in messages:
            await self.group_send(group, message)


@pytest.fixture
def layer() -> BatchLayer:
    return BatchLayer()


@pytest.fixture
async def publisher(
    layer: BatchLayer, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[GroupPublisher]:
    for name in ("SEND_SECONDS", "RETRY_SECONDS", "CLOSE_SECONDS"):
        monkeypatch.setattr(publishers, name, 0.05)
    made = GroupPublisher(layer)
    yield made
    await made.close()


def delta(offset: int, request: str = "r") -> MessageDelta:
    return MessageDelta(request, 1, offset, "x")


def finished(request: str = "r") -> MessageFinished:
    return MessageFinished(request, 1, "stop", False, {}, {})


async def test_one_step_of_all_users_is_one_batch_in_order(
    publisher: GroupPublisher, layer: BatchLayer
) -> None:
    await publisher.publish([(f"user.{n}", delta(0, str(n))) for n in range(50)])
    await until(lambda: len(layer.sent) == 50)
    assert [group for group, _ in layer.sent] == [f"user.{n}" for n in range(50)]
    assert layer.batches == 1


async def test_a_layer_without_batches_gets_one_after_the_other() -> None:
    layer = Layer()
    publisher = GroupPublisher(layer)
    await publisher.publish([("a", delta(0, "1")), ("b", delta(0, "2")), ("a", finished("1"))])
    await publisher.close()
    of_first = [message["type"] for group, message in layer.sent if group == "a"]
    assert of_first == ["message.delta", "message.finished"]
    assert len(layer.sent) == 3


async def test_a_frozen_layer_holds_up_nobody_and_the_ending_arrives(
    publisher: GroupPublisher, layer: BatchLayer
) -> None:
    layer.may_send.clear()
    begun = time.monotonic()
    for offset in range(2_000):
        await publisher.publish([("user.1", delta(offset))])
    await publisher.publish([("user.1", finished())])
    assert time.monotonic() - begun < 1.0
    await asyncio.sleep(0.2)  # several attempts
    layer.may_send.set()
    await until(lambda: "message.finished" in layer.types())


async def test_a_broken_layer_loses_text_but_no_ending(
    publisher: GroupPublisher, layer: BatchLayer, caplog: pytest.LogCaptureFixture
) -> None:
    layer.error = ConnectionError("gone")
    await publisher.publish([("user.1", delta(0)), ("user.1", finished())])
    await asyncio.sleep(0.2)
    await publisher.publish([("user.1", finished("second"))])
    layer.error = None
    await until(lambda: layer.types().count("message.finished") == 2)
    assert [message["request"] for _, message in layer.sent] == ["r", "second"]
    assert caplog.text.count("Could not publish") == 1


async def test_closing_lets_the_last_words_out(
    publisher: GroupPublisher, layer: BatchLayer
) -> None:
    await publisher.publish([("user.1", delta(0))])
    await until(lambda: layer.sent)
    await publisher.publish([("user.1", delta(1))])  # held back for a moment
    await publisher.close()
    assert [message["offset"] for _, message in layer.sent] == [0, 1]


async def test_closing_does_not_wait_for_a_frozen_layer(
    publisher: GroupPublisher, layer: BatchLayer
) -> None:
    layer.may_send.clear()
    await publisher.publish([("user.1", finished())])
    async with asyncio.timeout(1):
        await publisher.close()


async def test_what_can_never_be_sent_keeps_nothing_else(
    layer: BatchLayer, publisher: GroupPublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = layer.group_send

    async def choosy(group: str, message: dict[str, Any]) -> None:
        if group == "a name that no group has":
            raise TypeError("planted")
        await send(group, message)

    monkeypatch.setattr(layer, "group_send", choosy)
    good, bad = ("user.1", delta(0, "first")), ("a name that no group has", delta(0, "second"))
    await publisher.publish([good, bad, ("user.2", delta(0, "third"))])
    await until(lambda: "third" in [message["request"] for _, message in layer.sent])
    await publisher.publish([("user.1", delta(1, "first"))])
    await until(lambda: [one["offset"] for _, one in layer.sent if one["request"] == "first"][-1])
    assert "second" not in [message["request"] for _, message in layer.sent]
