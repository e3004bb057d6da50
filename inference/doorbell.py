"""Says over the channel layer that a row has changed; for synchronous code, after the commit.

What is said is only news. It may be lost: workers look every second, and readers ask.
"""

import logging
from typing import Any

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer

from inference.messages import INFERENCE_CHANNEL
from inference.models import GenerationRequest, finished_event

logger = logging.getLogger(__name__)


def ring(doorbell: dict[str, Any]) -> None:
    """Wakes the workers with one of the doorbells of `inference.messages`."""
    try:
        async_to_sync(get_channel_layer().send)(INFERENCE_CHANNEL, doorbell)
    except Exception:
        logger.exception("The doorbell could not be rung.")


def tell_ended(request: GenerationRequest) -> None:
    """Tells the readers of a request that ended without a worker."""
    try:
        event = finished_event(request).to_dict()
        async_to_sync(get_channel_layer().group_send)(request.reply_group, event)
    except Exception:
        logger.exception("The end of request %s could not be told.", request.public_id)
