"""Steps that are repeated for as long as a worker lives. Knows nothing of what they do."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

AGAIN_SECONDS = 1.0
STOP_SECONDS = 15.0

T = TypeVar("T")
Step = Callable[[], Awaitable[None]]


async def forever(step: Step, seconds: float, share: float = 1.0) -> None:
    """Repeats a step after pauses of `seconds`, longer where it would take more than `share` of
    the time. A failure is logged and tried again: no loop dies quietly.
    """
    while True:
        try:
            began = time.monotonic()
            await step()
            took = time.monotonic() - began
            await asyncio.sleep(max(seconds, took * (1.0 / share - 1.0)))
        except Exception:
            logger.exception("A step of the worker failed; trying again in a second.")
            await asyncio.sleep(AGAIN_SECONDS)


async def insist(act: Callable[[], Awaitable[T]]) -> T:
    """For what is said only once, and must get into the database however long that is away."""
    while True:
        try:
            return await act()
        except (OperationalError, InterfaceError) as error:
            logger.error("The database is away (%s); trying again in a second.", error)
            await asyncio.sleep(AGAIN_SECONDS)


async def or_without(step: Awaitable[None]) -> None:
    """For a worker that stops: it does so without a database too, as its leases run out."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await step
    except Exception:
        logger.exception("A step of stopping failed; going on without it.")
