"""The layer on a real Redis: batches, order, and what a dead or frozen Redis costs."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
from redis.exceptions import ConnectionError as NoRedis

from inference import channel_layer as module
from inference.channel_layer import PipelinedPubSubLayer
from tests.support.programs import find_redis, needed
from tests.support.redis_server import RedisServer

pytestmark = [pytest.mark.redis]


def make(redis: RedisServer) -> PipelinedPubSubLayer:
    host = {"address": redis.url, "socket_timeout": 30, "max_connections": 100}
    return PipelinedPubSubLayer(hosts=[host], prefix="test")


@pytest.fixture
async def layers(redis: RedisServer) -> AsyncIterator[list[PipelinedPubSubLayer]]:
    """A sender and a receiver, as in two processes."""
    made = [make(redis), make(redis)]
    yield made
    redis.resume()
    for layer in made:
        await layer.flush()


async def a_member(layer: PipelinedPubSubLayer, *groups: str) -> str:
    channel: str = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    await asyncio.sleep(0.1)  # the subscription is on its way
    return channel


async def hear(layer: PipelinedPubSubLayer, channel: str, seconds: float = 5.0) -> dict[str, Any]:
    async with asyncio.timeout(seconds):
        message: dict[str, Any] = await layer.receive(channel)
        return message


async def test_batches_and_single_messages_arrive_whole_and_in_order(
    layers: list[PipelinedPubSubLayer],
) -> None:
    sender, receiver = layers
    channels = [await a_member(receiver, f"user.{n}") for n in range(20)]
    for step in range(50):
        await sender.group_send_many([(f"user.{n}", {"step": step}) for n in range(20)])
        await sender.group_send("user.3", {"step": step, "alone": True})
    for number, channel in enumerate(channels):
        heard = [await hear(receiver, channel) for _ in range(100 if number == 3 else 50)]
        assert [one["step"] for one in heard if "alone" not in one] == list(range(50))
        assert heard == sorted(heard, key=lambda one: (one["step"], "alone" in one))


async def test_parallel_senders_each_keep_their_order(layers: list[PipelinedPubSubLayer]) -> None:
    sender, receiver = layers
    channel = await a_member(receiver, "all")

    async def send(name: int) -> None:
        for step in range(30):
            await sender.group_send_many([("all", {"name": name, "step": step})] * 2)

    await asyncio.gather(*(send(name) for name in range(10)))
    heard = [await hear(receiver, channel) for _ in range(600)]
    for name in range(10):
        steps = [one["step"] for one in heard if one["name"] == name]
        assert steps == sorted(steps) and len(steps) == 60


async def test_a_channel_still_gets_single_messages(layers: list[PipelinedPubSubLayer]) -> None:
    sender, receiver = layers
    listening = asyncio.create_task(hear(receiver, "inference"))
    await asyncio.sleep(0.2)
    await sender.send("inference", {"type": "request.submitted"})
    assert await listening == {"type": "request.submitted"}


async def test_a_frozen_redis_costs_a_sender_a_moment_only(
    layers: list[PipelinedPubSubLayer], redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PUBLISH_SECONDS", 0.3)
    sender, receiver = layers
    channel = await a_member(receiver, "g")
    await sender.group_send("g", {"number": 1})
    assert await hear(receiver, channel) == {"number": 1}
    redis.pause()
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        await sender.group_send_many([("g", {"number": 2})])
    assert time.monotonic() - begun < 1.0
    redis.resume()
    await sender.group_send("g", {"number": 3})
    heard = [await hear(receiver, channel)]
    while heard[-1] != {"number": 3}:  # the second may have been in Redis's own buffer
        heard.append(await hear(receiver, channel))
    assert len(heard) <= 2


@pytest.mark.slow
async def test_members_hear_again_after_redis_came_back_empty(
    layers: list[PipelinedPubSubLayer], redis: RedisServer
) -> None:
    sender, receiver = layers
    channel = await a_member(receiver, "g")
    redis.kill()
    with pytest.raises(Exception, match="onnect"):
        await sender.group_send("g", {"number": 1})
    redis.start()
    listening = asyncio.create_task(hear(receiver, channel, 10))
    while not listening.done():
        with suppress(ConnectionError):
            await sender.group_send("g", {"number": 2})
        await asyncio.sleep(0.1)
    assert await listening == {"number": 2}


@pytest.mark.redis
@pytest.mark.slow
async def test_who_listens_before_redis_is_there_hears_once_it_is() -> None:
    server = RedisServer(needed(find_redis(), "redis-server"))
    layer = PipelinedPubSubLayer(hosts=[server.url])
    with pytest.raises(NoRedis):
        await layer.receive("inference")
    with pytest.raises(NoRedis):
        await layer.new_channel()
    assert layer.channels == {}
    try:
        server.start()
        listening = asyncio.create_task(layer.receive("inference"))
        await asyncio.sleep(0.3)
        await layer.send("inference", {"type": "there"})
        async with asyncio.timeout(5):
            assert await listening == {"type": "there"}
    finally:
        await layer.flush()
        server.close()
