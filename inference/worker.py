"""The worker: claims requests, feeds the backend, publishes text, checkpoints and ends requests.

Knows requests, the queue and where replies go; not conversations, sockets or what a token means.
Everything it needs is passed in, and each step of its loops can be called by itself.
"""

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from inference import conf
from inference.backends.base import (
    Backend,
    BackendDied,
    BackendEvent,
    BackendInfo,
    BackendReady,
    Failed,
    Finished,
    Progress,
    Started,
    TextDelta,
)
from inference.database import WorkerDatabase
from inference.endings import Endings
from inference.housekeeper import Housekeeper
from inference.liveness import own_identity
from inference.loops import Step, forever, insist, or_without
from inference.metrics import EngineMeter
from inference.models import GenerationRequest, WorkerNode, finished_event
from inference.publishers import Publisher
from inference.queue import running as leases
from inference.queue import workers
from inference.queue.claiming import claim
from inference.running_requests import RunningRequest, RunningRequests

logger = logging.getLogger(__name__)

NodeState = WorkerNode.State


class InferenceWorker:
    """One engine's worth of work. `run` serves until `drain` is called."""

    def __init__(
        self,
        backend: Backend,
        publisher: Publisher,
        database: WorkerDatabase,
        on_progress: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self.backend = backend
        self.publisher = publisher
        self.database = database
        self.housekeeper = Housekeeper(database, publisher)
        self.running = RunningRequests()
        self.node: WorkerNode | None = None
        self._on_progress = on_progress
        self._meter = EngineMeter(backend.totals)
        self._accepting = False
        self._drained = False
        self._news = asyncio.Event()
        self._aborted: set[str] = set()  # since the last claim began
        self._heard_at = 0.0  # of the backend, or of a claim that gave it something to do
        self._loops: list[asyncio.Task[None]] = []
        self._endings = Endings(database, publisher, self.running, self.wake)

    # --- Life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Registers, loads the engine and begins to serve. Raises what the backend raises."""
        host, process = socket.gethostname(), own_identity()
        name = f"{host}-{process.pid}-{secrets.token_hex(3)}"
        self.node = await self.database.call(workers.register, name, host, process)
        # People who wait while the model loads are told their place too.
        self._every(conf.HEARTBEAT_SECONDS, self.beat)
        self._every(conf.HOUSEKEEPING_SECONDS, self.keep_house)
        self._every(conf.SAMPLE_SECONDS, self.housekeeper.take_sample)
        self._every(0, self.look)
        info = await self.backend.start(self._on_progress)
        await self._become_ready(info)
        self._every(conf.CHECKPOINT_SECONDS, self.checkpoint, conf.CHECKPOINT_SHARE)
        self._every(0, self.handle_events)

    async def drain(self, deadline: float = conf.DRAIN_SECONDS) -> None:
        """Claims nothing more, lets what runs finish until the deadline, hands the rest back,
        stops.

        A second call does nothing.
        """
        if self._drained:
            return
        self._drained = True
        self._accepting = False
        await or_without(self._report(state=NodeState.DRAINING))
        await self.running.until_empty(deadline)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await self._endings.close()
        await or_without(self._hand_back(self.running.take_all()))
        await or_without(self.backend.stop())
        if self.node is not None:
            await or_without(self.housekeeper.leave_duty(self.node.name))
        await or_without(self._report(state=NodeState.STOPPED))
        await self.publisher.close()
        await self.database.close()

    def wake(self) -> None:
        """There may be something to claim, or a place to tell."""
        self._news.set()

    def abort(self, public_id: str) -> None:
        """Ends a request within one step, if it runs here; its last event comes back from the
        backend.
        """
        self._aborted.add(public_id)
        request = self.running.by_public_id(public_id)
        if request is not None:
            self.backend.abort(request.tag)
        self.wake()

    def is_accepting(self) -> bool:
        """True while the engine is up and no drain has begun."""
        return self._accepting

    # --- Steps ---------------------------------------------------------------------------------

    async def look(self) -> None:
        """Claims what fits, and tells the waiting their places; on news, else each second."""
        try:
            # Not wait_for: on Python 3.11 it can swallow the cancel that ends this loop.
            async with asyncio.timeout(conf.POLL_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass
        self._news.clear()
        await self.claim()
        await self.housekeeper.tell_places()

    async def claim(self) -> None:
        """Takes as many waiting requests as there are free places."""
        if self.node is None or not self.is_accepting() or self._engine_is_silent():
            return
        self._aborted.clear()
        claimed = await self.database.call(claim, self.node, len(self.running))
        if not claimed:
            return
        if not self.is_accepting():  # the engine died, or a drain began, while the claim ran
            await self._hand_back([], [row.pk for row in claimed])
            return
        self._heard_at = time.monotonic()
        requests = [RunningRequest.of(row) for row in claimed]
        for request in requests:
            self._let_go_of_older(request.key)
            self.running.add(request)
        await self.publisher.publish([(one.reply_group, one.started()) for one in requests])
        for request, row in zip(requests, claimed, strict=True):
            self._begin(request, row)
            if request.public_id in self._aborted:  # while it was on its way to the backend
                self.backend.abort(request.tag)

    async def handle_events(self) -> None:
        """One batch from the backend: a step's text for all goes out together, in order."""
        events = await self.backend.events()
        self._heard_at = time.monotonic()
        await self.handle(events)

    async def handle(self, events: Sequence[BackendEvent]) -> None:
        heard = [
            self.running.heard(event) for event in events if isinstance(event, Started | TextDelta)
        ]
        await self.publisher.publish([news for news in heard if news is not None])
        for event in events:
            await self._handle_other(event)

    async def checkpoint(self) -> None:
        changed = self.running.take_changed()
        if changed and self.node is not None:
            await self.database.call(leases.checkpoint, self.node, changed)

    async def beat(self) -> None:
        """Says that this worker lives, renews its leases, ends what is due, lets go of the lost."""
        if self.node is None:
            return
        before = {request.key for request in self.running}
        await self._report(figures=self._meter.read())
        held = await self.database.call(leases.renew_leases, self.node, before)
        flagged = await self.database.call(leases.abort_flags, self.node)
        for request in self.running:
            request.reply_group = held.get(request.key, request.reply_group)
            if request.key in flagged:
                self.backend.abort(request.tag)
            elif request.key in before - held.keys() and not request.ending:
                self._let_go(request)
        await self._end_overdue(self.node)

    async def keep_house(self) -> None:
        """The housekeeping that one worker does for all; whoever comes first, while it lives.

        That a worker of the same machine is gone is seen by whoever looks, and mended by them.
        """
        if self.node is None:
            return
        dead = await self.database.call(workers.bury_the_dead_beside, self.node)
        on_duty = await self.housekeeper.take_duty(self.node.name)
        if (on_duty or dead) and await self.housekeeper.rescue_and_expire(dead):
            self.wake()
        await self.housekeeper.prune()

    # --- Parts of the steps --------------------------------------------------------------------

    def _engine_is_silent(self) -> bool:
        """It may hang; other workers can take what waits until that is known."""
        return bool(len(self.running)) and (time.monotonic() - self._heard_at > conf.SILENT_SECONDS)

    def _begin(self, request: RunningRequest, row: GenerationRequest) -> None:
        if self.running.by_tag(request.tag) is None:  # handed back meanwhile: the engine died
            return
        try:
            self.backend.submit(request.generation(row))
        except Exception as error:  # one bad row must not stop the others
            logger.exception("The backend refused request %s.", request.public_id)
            self._end(request, "failed", "engine_error", str(error))

    async def _handle_other(self, event: BackendEvent) -> None:
        if isinstance(event, Finished):
            self._end_by_tag(event.request_id, event.finish_reason)
        elif isinstance(event, Failed):
            self._end_by_tag(event.request_id, "failed", event.code, event.detail)
        elif isinstance(event, BackendDied):
            logger.error("The engine died: %s", event.detail)
            self._accepting = False
            await self._engine_died(event.detail)
        elif isinstance(event, BackendReady):
            info = event.info
            await insist(lambda: self._become_ready(info))

    def _end_by_tag(self, tag: str, reason: str, code: str = "", detail: str = "") -> None:
        request = self.running.answering(tag)
        if request is not None:
            self._end(request, reason, code, detail)

    def _end(self, request: RunningRequest, reason: str, code: str = "", detail: str = "") -> None:
        if self.node is not None:
            self._endings.begin(self.node, request, reason, code, detail)

    async def _end_overdue(self, node: WorkerNode) -> None:
        """Ends what has run for too long, with the text that it has."""
        overdue = await self.database.call(leases.overdue, node)
        for request in self.running:
            if request.key in overdue and not request.ending:
                self._end(request, "length", "deadline", leases.deadline_sentence())
                self.backend.abort(request.tag)

    def _let_go_of_older(self, key: int) -> None:
        """After a pause beyond the lease its own request may come back to a worker."""
        for request in self.running:
            if request.key == key:
                self._let_go(request)

    def _let_go(self, request: RunningRequest) -> None:
        logger.warning("Lost the lease on request %s.", request.public_id)
        self.running.discard(request)
        self.backend.abort(request.tag)

    async def _engine_died(self, detail: str) -> None:
        taken = self.running.take_all()
        await insist(lambda: self._report(state=NodeState.STARTING, detail=detail[:200]))
        await insist(lambda: self._hand_back(taken, engine_died=True))

    async def _hand_back(
        self,
        taken: Sequence[RunningRequest],
        keys: Sequence[int] | None = None,
        engine_died: bool = False,
    ) -> None:
        if self.node is None:
            return
        progress = [request.progress() for request in taken if not request.ending]
        held = await self.database.call(leases.hand_back, self.node, progress, keys, engine_died)
        if held:
            logger.info("Handed %d running requests back to the queue.", len(held))
        over = [(row.reply_group, finished_event(row)) for row in held if row.is_over]
        await self.publisher.publish(over)

    async def _become_ready(self, info: BackendInfo) -> None:
        await self._report(state=NodeState.READY, detail="", **asdict(info))
        self._accepting = True
        self.wake()

    async def _report(self, **fields: object) -> None:
        if self.node is not None:
            await self.database.call(workers.report, self.node, **fields)

    def _every(self, seconds: float, step: Step, share: float = 1.0) -> None:
        self._loops.append(asyncio.ensure_future(forever(step, seconds, share)))
