"""Answers the ASGI lifespan messages that uvicorn and hypercorn send; there is nothing to start
here, and at the end what this process has counted is stored.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from inference.telemetry.counting import flusher


async def lifespan(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            # Not left to the interpreter's exit: uvicorn dies of the signal that stopped it.
            await asyncio.to_thread(flusher.close)
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
