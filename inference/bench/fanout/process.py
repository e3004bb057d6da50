"""The site's own processes under the bench: `python -m inference.bench.fanout.process web|worker`.

The same commands as on a real site, but for two things: a peer gets Channels' own layer and
publishes each delta by itself, and the worker notes when it got each character from the engine.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from array import array
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

STOCK = {
    "pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
    "core": "channels_redis.core.RedisChannelLayer",
}


class StockPublisher:
    """What one writes without this project: `group_send`, awaited in turn."""

    def __init__(self, channel_layer: Any) -> None:
        self._layer = channel_layer

    async def publish(self, events: Sequence[Any]) -> None:
        for group, event in events:
            try:
                await self._layer.group_send(group, event.to_dict())
            except Exception as error:
                print(f"Could not publish: {error!r}", file=sys.stderr)

    async def close(self) -> None:
        pass


class Notes:
    """When each character of each request came from the engine, on the machine's one clock."""

    def __init__(self) -> None:
        self._times: dict[str, array[float]] = defaultdict(lambda: array("d"))

    def listen_to(self, backend: Any) -> Any:
        events = backend.events

        async def noted() -> Any:
            batch = await events()
            now = time.monotonic()
            for event in batch:
                text = getattr(event, "text", "")
                if text:
                    self._times[event.request_id].extend([now] * len(text))
            return batch

        backend.events = noted
        return backend

    def write(self, path: Path) -> None:
        unfinished = path.with_suffix(".part")
        unfinished.write_text(
            json.dumps({name: list(times) for name, times in self._times.items()})
        )
        unfinished.rename(path)


def prepare(kind: str) -> None:
    if kind in STOCK:
        own = settings.CHANNEL_LAYERS["default"]
        settings.CHANNEL_LAYERS = {"default": {**own, "BACKEND": STOCK[kind]}}
    django.setup()


def serve_web(port: str) -> None:
    from daphne.cli import CommandLineInterface

    # Without an access log, as behind a proxy.
    application = settings.ASGI_APPLICATION.replace(".application", ":application")
    CommandLineInterface().run(["-b", "127.0.0.1", "-p", port, "-v", "0", application])


def serve_worker(kind: str, output: Path) -> None:
    from inference import backends, publishers
    from inference.server import InferenceServer

    notes = Notes()
    create = backends.create_backend
    backends.create_backend = lambda options: notes.listen_to(create(options))
    if kind in STOCK:
        publishers.GroupPublisher = StockPublisher  # type: ignore[assignment, misc]
    InferenceServer.drain_seconds = 0.0
    # Not at the end: a peer that is overrun may not get there.
    signal.signal(signal.SIGUSR1, lambda number, frame: notes.write(output))
    call_command("runworker", "inference")


def main(role: str, kind: str, argument: str) -> None:
    prepare(kind)
    if role == "web":
        serve_web(argument)
    else:
        serve_worker(kind, Path(argument))


if __name__ == "__main__":
    main(*sys.argv[1:4])
