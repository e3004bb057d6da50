"""Sends reply events to groups. Knows the channel layer; does not know who is in a group.

A lost event is not an error here: readers find the gap by its offset and read the row.
"""

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from inference.messages import ReplyEvent

logger = logging.getLogger(__name__)

Addressed = tuple[str, ReplyEvent]


class Publisher(Protocol):
    async def publish(self, events: Sequence[Addressed]) -> None:
        """Sends (group, event) pairs in order. Never raises."""


class GroupPublisher:
    """Publishes over the channel layer."""

    def __init__(self, channel_layer: Any) -> None:
        self._layer = channel_layer

    async def publish(self, events: Sequence[Addressed]) -> None:
        for group, event in events:
            try:
                await self._layer.group_send(group, event.to_dict())
            except Exception as error:  # whatever a broken broker raises; the row has the text
                logger.warning("Could not publish %s to %s: %s", event.type, group, error)
