"""Stores how requests end, beside the stream of text: a slow or absent database holds up nobody.

A request keeps its place until its end is stored. Knows no backend and no engine.
"""

import asyncio
import logging
from collections.abc import Callable

from inference.database import WorkerDatabase
from inference.loops import insist
from inference.models import GenerationRequest, WorkerNode, finished_event
from inference.publishers import Publisher
from inference.queue import running as leases
from inference.running_requests import RunningRequest, RunningRequests

logger = logging.getLogger(__name__)


class Endings:
    """The ends that are on their way into the database."""

    def __init__(
        self,
        database: WorkerDatabase,
        publisher: Publisher,
        running: RunningRequests,
        place_is_free: Callable[[], None],
    ) -> None:
        self._database = database
        self._publisher = publisher
        self._running = running
        self._place_is_free = place_is_free
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(
        self, node: WorkerNode, request: RunningRequest, reason: str, code: str, detail: str
    ) -> None:
        """Returns at once; what the engine still says of the request is ignored from here on."""
        request.ending = True
        ending = leases.Ending(request.progress(), reason, code, detail)
        task = asyncio.ensure_future(self._end(node, request, ending))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Gives up what the database has not taken yet."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _end(self, node: WorkerNode, request: RunningRequest, ending: leases.Ending) -> None:
        row = await self._stored(node, request, ending)
        # Only now is the place free: the row no longer counts as running.
        self._running.discard(request)
        self._place_is_free()
        if row is not None:
            await self._publisher.publish([(row.reply_group, finished_event(row))])

    async def _stored(
        self, node: WorkerNode, request: RunningRequest, ending: leases.Ending
    ) -> GenerationRequest | None:
        """The ended row; None when somebody else has the request by now, or will have it."""
        try:
            return await insist(lambda: self._database.call(leases.finish, node, ending))
        except Exception:
            # It is not renewed any more, so its lease runs out.
            logger.exception("Could not store the end of request %s.", request.public_id)
            return None
