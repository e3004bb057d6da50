"""The channel layer between processes: Redis pub/sub, with many messages in one round trip.

Owns how messages go out; how they come in is the base class's. What goes out is bounded in time, so
that a frozen Redis holds up nobody: it raises, and the sender knows what a lost message means.
Knows no requests and no sockets.
"""

import asyncio
import uuid
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

from channels_redis.pubsub import RedisPubSubChannelLayer

PUBLISH_SECONDS = 2.0

Message = dict[str, Any]


class PipelinedPubSubLayer(RedisPubSubChannelLayer):
    """Channels' pub/sub layer, plus `group_send_many`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Of our own: the base class holds its lock while it subscribes, for as long as that takes.
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = (
            WeakKeyDictionary()
        )

    async def new_channel(self, prefix: str = "specific.") -> str:
        """As the base class does, but one that could not be subscribed to is forgotten."""
        layer = self._get_layer()
        channel = f"{layer.prefix}{prefix}{uuid.uuid4().hex}"
        try:
            await layer._subscribe_to_channel(channel)
        except BaseException:
            layer.channels.pop(channel, None)
            raise
        return channel

    async def receive(self, channel: str) -> Message:
        """As the base class does. What it could not subscribe to it is asked to subscribe to again:
        else a worker that starts before Redis would listen to nothing for ever.
        """
        layer = self._get_layer()
        try:
            message: Message = await layer.receive(channel)
        except Exception:
            if channel not in layer._get_shard(channel)._subscribed_to:
                layer.channels.pop(channel, None)
            raise
        return message

    async def send(self, channel: str, message: Message) -> None:
        await self._publish([(channel, message)])

    async def group_send(self, group: str, message: Message) -> None:
        await self.group_send_many([(group, message)])

    async def group_send_many(self, messages: Iterable[tuple[str, Message]]) -> None:
        """Sends (group, message) pairs in order and at once.

        Raises what a broken or frozen Redis raises; then some may have gone out and some not.
        """
        layer = self._get_layer()
        await self._publish(
            (layer._get_group_channel_name(group), message) for group, message in messages
        )

    async def _publish(self, messages: Iterable[tuple[str, Message]]) -> None:
        batches = self._by_shard(messages)
        # One batch after the other, or two of them could overtake each other on two connections.
        async with asyncio.timeout(PUBLISH_SECONDS), self._turn():
            for shard, batch in batches.items():
                await _publish_on(shard, batch)

    def _by_shard(self, messages: Iterable[tuple[str, Message]]) -> dict[Any, list[Any]]:
        layer = self._get_layer()
        batches: dict[Any, list[Any]] = {}
        for name, message in messages:
            batch = batches.setdefault(layer._get_shard(name), [])
            batch.append((name, self.serialize(message)))
        return batches

    def _turn(self) -> asyncio.Lock:
        return self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())


async def _publish_on(shard: Any, batch: list[Any]) -> None:
    shard._ensure_redis()
    pipeline = shard._redis.pipeline(transaction=False)
    for name, data in batch:
        pipeline.publish(name, data)
    await pipeline.execute()
