"""Keeps the queue honest: rescues what dead workers left, drops what nobody wants, tells people
their place, prunes what is too old.

One worker at a time does it, by a lease that another takes over when its holder is gone. Two for a
moment would do no harm: rescues and expiries are transactions, places only news.
"""

import logging
import time
from collections.abc import Sequence

from inference import conf
from inference.database import WorkerDatabase
from inference.models import WorkerNode, finished_event
from inference.publishers import Publisher
from inference.queue.housekeeping import give_up_house, keeps_house
from inference.queue.places import Place, places
from inference.queue.pruning import prune_a_little
from inference.queue.rescue import expire, rescue
from inference.queue.samples import take_sample

logger = logging.getLogger(__name__)


class Housekeeper:
    """One worker's share of the housekeeping; the worker calls the steps."""

    def __init__(self, database: WorkerDatabase, publisher: Publisher) -> None:
        self._database = database
        self._publisher = publisher
        self._on_duty = False
        self._told: dict[str, Place] = {}
        self._told_all_at = -conf.PLACES_SECONDS
        self._asked_at: float | None = None
        self._patient_until = 0.0
        self._prune_at = 0.0

    async def take_duty(self, name: str) -> bool:
        """Renews or takes the lease for the worker `name`; True when it is to keep house."""
        before, self._on_duty = self._on_duty, await self._database.call(keeps_house, name)
        self._notice_gap(time.monotonic())
        if self._on_duty and not before:
            self._told, self._told_all_at = {}, -conf.PLACES_SECONDS
        return self._on_duty

    def _notice_gap(self, now: float) -> None:
        """The database was away, perhaps: then everybody's leases ran out, and those who live
        renew them in a moment.
        """
        if self._asked_at is not None and now - self._asked_at > conf.HOUSEKEEPING_GAP_SECONDS:
            self._patient_until = now + 2 * conf.HEARTBEAT_SECONDS + 1.0
        self._asked_at = now

    async def leave_duty(self, name: str) -> None:
        self._on_duty = False
        await self._database.call(give_up_house, name)

    async def rescue_and_expire(self, dead: Sequence[WorkerNode] = ()) -> bool:
        """True when something came back to the queue or left it."""
        by_lease = time.monotonic() >= self._patient_until
        rescued = await self._database.call(rescue, dead, by_lease)
        for request in rescued:
            logger.warning("Rescued request %s from a worker that died.", request.public_id)
        expired = await self._database.call(expire)
        over = [one for one in rescued if one.is_over] + expired
        await self._publisher.publish([(one.reply_group, finished_event(one)) for one in over])
        return bool(rescued or expired)

    async def take_sample(self) -> None:
        """One point of the charts, by whoever keeps house."""
        if self._on_duty:
            await self._database.call(take_sample)

    async def prune(self) -> None:
        """A little of what is too old to keep, now and then. Nothing while another keeps house."""
        now = time.monotonic()
        if not self._on_duty or now < self._prune_at:
            return
        self._prune_at = now + conf.PRUNE_SECONDS
        if await self._database.call(prune_a_little):
            self._prune_at = now + conf.PRUNE_GAP_SECONDS

    async def tell_places(self) -> None:
        """Sends `request.waiting` to those whose place changed: to the first ones at once, to the
        others every few seconds. Nothing while another worker keeps house.
        """
        if not self._on_duty:
            return
        now = time.monotonic()
        if now - self._told_all_at < conf.PLACES_SECONDS:
            first = await self._database.call(places, conf.FIRST_PLACES)
            news = [place for place in first if self._told.get(place.public_id) != place]
            self._told.update((place.public_id, place) for place in first)
        else:
            self._told_all_at = now
            everybody = await self._database.call(places)
            news = [place for place in everybody if self._is_news(place)]
            self._told = {place.public_id: place for place in everybody}
        await self._publisher.publish([(place.reply_group, place.event()) for place in news])

    def _is_news(self, place: Place) -> bool:
        """Among the first any change is; further back only another position is."""
        told = self._told.get(place.public_id)
        if told is None or place.position <= conf.FIRST_PLACES:
            return told != place
        return told.position != place.position
