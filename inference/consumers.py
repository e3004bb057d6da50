"""The worker's end of the channel layer: hears doorbells on the channel `inference`, and runs the
worker.

Importing this loads no engine: that begins when a worker process, or the embedded server, calls it.
Handlers return at once and never raise, since one exception would lose every message behind it.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from channels.consumer import AsyncConsumer
from channels.exceptions import StopConsumer
from channels.layers import get_channel_layer

from inference import conf
from inference.worker import InferenceWorker

logger = logging.getLogger(__name__)

DRAIN = "worker.drain"


class InferenceConsumer(AsyncConsumer):
    """One instance per worker process; `inference.server` makes it before the first message."""

    worker: InferenceWorker

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        self._deadline = float(scope.get("drain_seconds", conf.DRAIN_SECONDS))
        self.worker = build_worker(scope)
        try:
            await self.worker.start()
            self._report(scope, None)
            await super().__call__(scope, receive, send)
        except Exception as error:
            self._report(scope, error)
            raise
        finally:
            await asyncio.shield(self.worker.drain(self._deadline))

    def _report(self, scope: dict[str, Any], error: Exception | None) -> None:
        on_start: Callable[[Exception | None], None] | None = scope.get("on_start")
        if on_start is not None:
            on_start(error)

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Like the base class, but whitelisted and without a hop to a thread per message."""
        kind = message.get("type")
        if kind in ("request.submitted", "queue.changed"):
            self.worker.wake()
        elif kind == "request.abort":
            self.worker.abort(str(message.get("request", "")))
        elif kind == DRAIN:
            raise StopConsumer
        else:
            logger.warning("Ignored a message of unknown type %r.", str(kind)[:80])


def build_worker(scope: dict[str, Any]) -> InferenceWorker:
    """A worker with the real parts, as the settings say."""
    from inference.backends import create_backend
    from inference.database import WorkerDatabase
    from inference.publishers import GroupPublisher

    return InferenceWorker(
        backend=create_backend(conf.backend_options()),
        publisher=GroupPublisher(get_channel_layer()),
        database=WorkerDatabase(),
        on_progress=scope.get("on_progress", lambda progress: None),
    )
