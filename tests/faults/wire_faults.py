"""What happens to Redis in these tests, while an answer streams and ends."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from contextlib import suppress

import redis as redis_client

from tests.support.redis_server import RedisServer
from tests.support.site import Site

Fault = Callable[[Site, RedisServer], Awaitable[None]]


async def killed_until_the_end(site: Site, redis: RedisServer) -> None:
    """Dead while the rest of the answer is made, and empty when it comes back."""
    redis.kill()
    await until_ended(site)
    redis.start()


async def frozen_until_the_end(site: Site, redis: RedisServer) -> None:
    redis.pause()
    try:
        await until_ended(site)
    finally:
        redis.resume()


async def deaf_until_the_end(site: Site, redis: RedisServer) -> None:
    """Publishing works and nobody hears it: the web process is cut off again and again."""
    client = redis_client.Redis.from_url(redis.url)
    ended = asyncio.create_task(until_ended(site))
    while not ended.done():
        with suppress(redis_client.ResponseError):
            client.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.02)
    # The end is published after the commit, and is to be lost too.
    for _ in range(25):
        with suppress(redis_client.ResponseError):
            client.client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.02)
    client.close()


FAULTS = [killed_until_the_end, frozen_until_the_end, deaf_until_the_end]


async def until_ended(site: Site, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while site.database.states().get("finished", 0) == 0:
            await asyncio.sleep(0.05)


def stored_text(site: Site, request: str = "") -> str:
    """What the row of a request holds; without a name, that of the only one."""
    rows = site.database.execute("SELECT public_id, output_text FROM inference_generationrequest")
    texts = {str(uuid.UUID(str(identifier))): str(text) for identifier, text in rows}
    if not request:
        (request,) = texts
    return texts[request]
