"""Sends reply events to groups. Knows the channel layer; does not know who is in a group.

Publishing waits for nobody: events go into an outbox that a task of its own empties. A lost text is
not an error here, as readers find the gap by its offset and read the row; what else happened is
tried again until it is out.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any, Protocol

from inference.outbox import Addressed, Outbox

__all__ = ["Addressed", "GroupPublisher", "Publisher"]

logger = logging.getLogger(__name__)

SEND_SECONDS = 3.0
RETRY_SECONDS = 0.5
CLOSE_SECONDS = 2.0
# What a layer raises of an event that it cannot put into bytes, or of a group's name.
UNSENDABLE = (TypeError, ValueError, OverflowError)


class Publisher(Protocol):
    async def publish(self, events: Sequence[Addressed]) -> None:
        """Sends (group, event) pairs in order. Neither waits nor raises."""

    async def close(self) -> None:
        """Lets go out what has not yet, within a moment, and ends."""


class GroupPublisher:
    """Publishes over the channel layer: in one batch where the layer can, else one by one."""

    def __init__(self, channel_layer: Any, outbox: Outbox | None = None) -> None:
        self._layer = channel_layer
        self._outbox = outbox or Outbox()
        self._news = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._is_sending = False
        self._is_failing = False

    async def publish(self, events: Sequence[Addressed]) -> None:
        for group, event in events:
            self._outbox.add(group, event)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_for_ever())
        self._news.set()

    async def close(self) -> None:
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while self._is_sending or not self._outbox.is_empty:
                    await asyncio.sleep(0.01)
        except TimeoutError:
            logger.warning("Some news did not go out before the end; readers ask for them.")
        if self._sender is not None:
            self._sender.cancel()
            await asyncio.gather(self._sender, return_exceptions=True)

    async def _send_for_ever(self) -> None:
        while True:
            await self._until_due()
            batch = self._outbox.take()
            if not batch:
                continue
            self._is_sending = True
            try:
                await self._deliver(batch)
            finally:
                self._is_sending = False

    async def _until_due(self) -> None:
        self._news.clear()
        wait = self._outbox.seconds_to_wait()
        if wait is not None and wait <= 0:
            return
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _deliver(self, batch: list[Addressed]) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(batch)
        except UNSENDABLE:  # one of them can never be sent, and must not keep the others
            if len(batch) == 1:
                logger.exception("An event to %s cannot be sent; dropped it.", batch[0][0])
            else:
                for one in batch:
                    await self._deliver([one])
        except Exception as error:  # whatever a broken broker raises
            self._outbox.give_back(batch)
            if not self._is_failing:  # one line for each outage
                logger.warning("Could not publish, trying again: %r", error)
            self._is_failing = True
            await asyncio.sleep(RETRY_SECONDS)
        else:
            self._is_failing = False

    async def _send(self, batch: list[Addressed]) -> None:
        messages = [(group, event.to_dict()) for group, event in batch]
        send_many = getattr(self._layer, "group_send_many", None)
        if send_many is not None:
            await send_many(messages)
            return
        for group, message in messages:
            await self._layer.group_send(group, message)
