"""Runs worker consumers: Channels' worker, with what it lacks.

The engine starts before the first message, a stop drains instead of dropping, listeners that fail
are started again, and a malformed message is logged instead of ending the process.
"""

import asyncio
import logging
import signal
from collections.abc import Callable
from typing import Any

from channels.worker import Worker

from inference import conf
from inference.backends.base import Progress
from inference.consumers import DRAIN

logger = logging.getLogger("django.channels.worker")

RELISTEN_SECONDS = 1.0
# The client of Redis can swallow a cancel while it connects, so it is said again.
SAY_AGAIN_SECONDS = 0.2


class InferenceServer(Worker):
    """Serves the given channels until `request_stop`, or SIGTERM or SIGINT when it owns the
    signals.
    """

    drain_seconds = conf.DRAIN_SECONDS
    owns_signals = True

    def __init__(
        self,
        application: Any,
        channels: list[str],
        channel_layer: Any,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        on_start: Callable[[Exception | None], None] = lambda error: None,
    ) -> None:
        super().__init__(application, channels, channel_layer)
        self._on_progress = on_progress
        self._on_start = on_start
        self._started = False
        self._stop = asyncio.Event()
        self.error: BaseException | None = None

    def request_stop(self) -> None:
        """Drains and ends; again and again is the same as once."""
        self._stop.set()

    async def handle(self) -> None:
        """Starts the consumers, listens, and drains once asked to stop or once a consumer has
        ended.
        """
        if self.owns_signals:
            self._take_signals()
        consumers = [self._start_consumer(channel) for channel in self.channels]
        listeners = [asyncio.ensure_future(self.listener(channel)) for channel in self.channels]
        stop = asyncio.ensure_future(self._until_stopped())
        await asyncio.wait([stop, *consumers], return_when=asyncio.FIRST_COMPLETED)
        await _end([stop, *listeners])
        await self._drain(consumers)

    async def listener(self, channel: str) -> None:
        """Passes on what arrives on one channel; a broken connection is tried again."""
        queue = self._instances[channel]["input_queue"]
        while True:
            try:
                message = await self.channel_layer.receive(channel)
            except Exception as error:
                logger.warning("Lost the channel layer (%s); listening again.", error)
                await asyncio.sleep(RELISTEN_SECONDS)
                continue
            if isinstance(message, dict) and message.get("type"):
                await queue.put(message)
            else:
                logger.warning("Ignored a message without a type on %s.", channel)

    @property
    def _instances(self) -> dict[str, dict[str, Any]]:
        instances: dict[str, dict[str, Any]] = self.application_instances
        return instances

    async def _until_stopped(self) -> None:
        await self._stop.wait()

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.request_stop)

    def _start_consumer(self, channel: str) -> "asyncio.Future[None]":
        scope = {
            "type": "channel",
            "channel": channel,
            "drain_seconds": self.drain_seconds,
            "on_progress": self._on_progress,
            "on_start": self._consumer_started,
        }
        self.get_or_create_application_instance(channel, scope)
        future: asyncio.Future[None] = self._instances[channel]["future"]
        return future

    def _consumer_started(self, error: Exception | None) -> None:
        self._started = True
        self._on_start(error)

    async def _drain(self, consumers: list["asyncio.Future[None]"]) -> None:
        for details in self._instances.values():
            details["input_queue"].put_nowait({"type": DRAIN})
        if not self._started:  # still loading: it hears no message yet
            for consumer in consumers:
                consumer.cancel()
        for result in await asyncio.gather(*consumers, return_exceptions=True):
            if isinstance(result, Exception):
                self.error = result

    async def application_exception(self, exception: Exception, details: dict[str, Any]) -> None:
        # `handle` sees the consumer end and reports why; the base class would log it a second time.
        self.error = exception


async def _end(tasks: list["asyncio.Future[None]"]) -> None:
    """Cancels until all have ended."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _done, pending = await asyncio.wait(pending, timeout=SAY_AGAIN_SECONDS)
