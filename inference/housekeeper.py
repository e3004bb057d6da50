"""Keeps the queue honest: rescues what dead workers left, drops what nobody wants, tells people
their place.

Harmless when several workers do it at once: rescues and expiries are transactions, places are only
news.
"""

import logging

from inference.database import WorkerDatabase
from inference.models import finished_event
from inference.publishers import Addressed, Publisher
from inference.queue.places import Place, places
from inference.queue.rescue import expire, rescue

logger = logging.getLogger(__name__)


class Housekeeper:
    """One worker's share of the housekeeping; the worker calls the steps."""

    def __init__(self, database: WorkerDatabase, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._told: dict[str, Place] = {}

    async def rescue_and_expire(self) -> bool:
        """True when something came back to the queue or left it."""
        rescued = await self._database.call(rescue)
        for request in rescued:
            logger.warning("Rescued request %s from a worker that died.", request.public_id)
        expired = await self._database.call(expire)
        over = [one for one in rescued if one.is_over] + expired
        await self._publisher.publish([(one.reply_group, finished_event(one)) for one in over])
        return bool(rescued or expired)

    async def tell_places(self) -> None:
        """Sends `request.waiting` to everybody whose place, queue length or estimate changed."""
        now = {place.public_id: place for place in await self._database.call(places)}
        news: list[Addressed] = [
            (place.reply_group, place.event())
            for key, place in now.items()
            if self._told.get(key) != place
        ]
        self._told = now
        await self._publisher.publish(news)
