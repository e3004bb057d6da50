"""Answers the ASGI lifespan messages that uvicorn and hypercorn send; there is nothing to start
here.
"""

from collections.abc import Awaitable, Callable
from typing import Any


async def lifespan(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
