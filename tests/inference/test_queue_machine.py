"""The queue under random histories: whatever happens, its promises hold.

Rules are what people, workers and faults do; the model beside the database is a dict per request.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from inference.models import GenerationRequest, QueuePolicy, WorkerNode
from inference.queue import Refused, abort, places, running
from inference.queue.claiming import claim
from inference.queue.rescue import rescue
from inference.queue.running import Ending
from tests.inference.build import a_policy, a_request, a_user, a_worker, age_lease, progress_of

State = GenerationRequest.State
indexes = st.integers(0, 1_000)


class QueueMachine(RuleBasedStateMachine):
    """Two workers, three people, any order of events."""

    @initialize(n=st.integers(1, 3), q=st.integers(0, 4), share=st.integers(0, 2))
    def start(self, n: int, q: int, share: int) -> None:
        GenerationRequest.objects.all().delete()
        WorkerNode.objects.all().delete()
        a_policy(
            max_running=n, max_waiting=q, max_running_per_user=share, max_waiting_per_user=share * 2
        )
        self.policy = QueuePolicy.objects.get()
        self.workers = [a_worker(), a_worker()]
        self.people = [a_user() for _ in range(3)]
        self.ended: dict[int, str] = {}
        self.texts: dict[int, str] = {}

    def _rows(self, *states: str) -> list[GenerationRequest]:
        return list(GenerationRequest.objects.filter(state__in=states).order_by("id"))

    @rule(person=indexes)
    def submit(self, person: int) -> None:
        active = len(self._rows(State.WAITING, State.RUNNING))
        user = self.people[person % 3]
        mine = GenerationRequest.objects.filter(
            user=user, state__in=[State.WAITING, State.RUNNING]
        ).count()
        share = self.policy.max_running_per_user + self.policy.max_waiting_per_user
        full = active >= 2 * self.policy.max_running + self.policy.max_waiting
        over_share = share and mine >= share
        try:
            request = a_request(user)
        except Refused as refused:
            assert refused.code == ("user_limit" if over_share else "queue_full")
            assert full or over_share
        else:
            assert not full and not over_share
            self.texts[request.pk] = ""

    @rule(which=indexes)
    def claim(self, which: int) -> None:
        worker = self.workers[which % 2]
        held = GenerationRequest.objects.filter(worker=worker, state=State.RUNNING).count()
        first = self._rows(State.WAITING)[:1]
        claimed = claim(worker, held)
        if claimed and not self.policy.max_running_per_user:
            assert claimed[0].pk == first[0].pk
        for request in claimed:
            assert request.output_text == self.texts[request.pk]

    @rule(which=indexes)
    def produce(self, which: int) -> None:
        rows = self._rows(State.RUNNING)
        if rows:
            request = rows[which % len(rows)]
            text = request.output_text + "x"
            assert request.worker is not None
            running.checkpoint(request.worker, [progress_of(request, text, len(text))])
            self.texts[request.pk] = text

    @rule(which=indexes, reason=st.sampled_from(["stop", "length", "failed", "aborted"]))
    def finish(self, which: int, reason: str) -> None:
        rows = self._rows(State.RUNNING)
        if rows:
            request = rows[which % len(rows)]
            assert request.worker is not None
            ending = Ending(progress_of(request, self.texts[request.pk]), reason)
            assert running.finish(request.worker, ending) is not None

    @rule(which=indexes)
    def abort_any(self, which: int) -> None:
        rows = self._rows(*State.values)
        if rows:
            request = rows[which % len(rows)]
            before = request.state
            after = abort(str(request.public_id), request.user)
            assert after.state == (State.ABORTED if before == State.WAITING else before)

    @rule(which=indexes)
    def worker_dies(self, which: int) -> None:
        worker = self.workers[which % 2]
        for request in self._rows(State.RUNNING):
            if request.worker_id == worker.pk:
                age_lease(request)
        rescue()

    @rule(which=indexes)
    def worker_drains(self, which: int) -> None:
        running.hand_back(self.workers[which % 2], [])

    @invariant()
    def promises_hold(self) -> None:
        if not hasattr(self, "policy"):
            return
        active = self._rows(State.RUNNING)
        for worker in self.workers:
            assert sum(one.worker_id == worker.pk for one in active) <= self.policy.max_running
        assert all(one.worker_id and one.lease_until for one in active)
        waiting = self._rows(State.WAITING)
        assert [place.public_id for place in places()] == [str(one.public_id) for one in waiting]
        assert [place.position for place in places()] == list(range(1, len(waiting) + 1))
        for row in self._rows(State.FINISHED, State.ABORTED, State.FAILED):
            assert self.ended.setdefault(row.pk, row.finish_reason) == row.finish_reason
        assert GenerationRequest.objects.count() == len(self.texts)


@pytest.mark.django_db
def test_the_queue_keeps_its_promises_in_any_order_of_events() -> None:
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
