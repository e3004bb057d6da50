"""The queue under random histories, step by step the same as the plain model beside it.

Rules are what people, workers and faults do. `DATABASE_URL` chooses the database.
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

from inference.errors import NotPossible
from inference.models import GenerationRequest, QueuePolicy, WorkerNode
from inference.queue import Group, Refused, abort, places, running, steering
from inference.queue.claiming import claim
from inference.queue.ordering import running_requests
from inference.queue.running import Ending
from tests.inference.build import (
    a_policy,
    a_request,
    a_user,
    a_worker,
    as_stored,
    progress_of,
    vanish,
)
from tests.inference.queue_model import PRIORITY, QueueModel, Row

STATE_OF = {"stop": "finished", "length": "finished", "failed": "failed", "aborted": "aborted"}
indexes = st.integers(0, 1_000)


class QueueMachine(RuleBasedStateMachine):
    """Two workers, three people, any order of events."""

    @initialize(
        n=st.integers(1, 3),
        q=st.integers(0, 6),
        share=st.integers(0, 2),
        patience=st.integers(0, 3),
        fair=st.booleans(),
    )
    def start(self, n: int, q: int, share: int, patience: int, fair: bool) -> None:
        GenerationRequest.objects.all().delete()
        WorkerNode.objects.all().delete()
        self.workers = [a_worker(), a_worker()]
        self.people = [a_user() for _ in range(3)]
        self.model = QueueModel(n, q, share, patience, fair, workers=2)
        self._set_policy()

    def _set_policy(self) -> None:
        model = self.model
        a_policy(
            max_running=model.n,
            max_waiting=model.q,
            max_running_per_user=model.share,
            max_waiting_per_user=model.patience,
            order=QueuePolicy.Order.FAIR if model.fair else QueuePolicy.Order.FIFO,
        )

    def _pick(self, which: int, *states: str) -> tuple[GenerationRequest, Row] | None:
        rows = self.model.of(*states)
        if not rows:
            return None
        row = rows[which % len(rows)]
        return GenerationRequest.objects.get(pk=row.key), row

    @rule(person=st.integers(0, 2), group=st.sampled_from(list(Group)))
    def submit(self, person: int, group: Group) -> None:
        expected = self.model.refusal(person)
        try:
            request = a_request(self.people[person], group=group)
        except Refused as refused:
            assert refused.code == expected
        else:
            assert expected is None
            self.model.submit(request.pk, person, PRIORITY[group])

    @rule(which=st.integers(0, 1))
    def claim(self, which: int) -> None:
        told = [place.public_id for place in places()]
        claimed = claim(self.workers[which], len(self.model.held_by(which)))
        assert [request.pk for request in claimed] == self.model.claim(which)
        # Position 1 is who is claimed next, and so on.
        assert [str(request.public_id) for request in claimed] == told[: len(claimed)]
        for request in claimed:
            assert request.output_text == self.model.rows[request.pk].text

    @rule(which=indexes)
    def produce(self, which: int) -> None:
        if (picked := self._pick(which, "running")) is not None:
            request, row = picked
            row.text += "x"
            assert request.worker is not None
            running.checkpoint(request.worker, [progress_of(request, row.text, len(row.text))])

    @rule(which=indexes, reason=st.sampled_from(sorted(STATE_OF)))
    def finish(self, which: int, reason: str) -> None:
        if (picked := self._pick(which, "running")) is not None:
            request, row = picked
            assert request.worker is not None
            ending = Ending(progress_of(request, row.text, len(row.text)), reason)
            assert running.finish(request.worker, ending) is not None
            assert running.finish(request.worker, ending) is None
            self.model.end(row, STATE_OF[reason])

    @rule(which=indexes)
    def abort_any(self, which: int) -> None:
        if (picked := self._pick(which, "waiting", "running", "finished", "failed")) is not None:
            request, row = picked
            abort(str(request.public_id), request.user)
            row.wants_end = True
            if row.state == "waiting":
                self.model.end(row, "aborted")

    @rule(which=indexes)
    def staff_move_one_to_the_front(self, which: int) -> None:
        if (picked := self._pick(which, "waiting", "running", "finished")) is None:
            return
        request, row = picked
        if row.state != "waiting":
            with pytest.raises(NotPossible):
                steering.move_to_front(str(request.public_id))
            return
        steering.move_to_front(str(request.public_id))
        others = [one.priority for one in self.model.of("waiting") if one is not row]
        row.priority = max(row.priority, max([max(PRIORITY.values()), *others]) + 1)
        assert all(one.priority < row.priority for one in self.model.of("waiting") if one != row)

    @rule(which=indexes, priority=st.integers(-2, 4))
    def staff_change_a_priority(self, which: int, priority: int) -> None:
        if (picked := self._pick(which, "waiting")) is not None:
            request, row = picked
            steering.set_priority(str(request.public_id), priority)
            row.priority = priority

    @rule(which=st.integers(0, 1), accepts=st.booleans())
    def staff_drain_a_worker_or_end_that(self, which: int, accepts: bool) -> None:
        steering.let_worker_take(self.workers[which].name, accepts)
        if accepts:
            self.model.drained.discard(which)
        else:
            self.model.drained.add(which)

    @rule(which=st.integers(0, 1))
    def worker_vanishes(self, which: int) -> None:
        vanish(self.workers[which])
        self.model.worker_vanishes(which)

    @rule(which=st.integers(0, 1))
    def engine_dies(self, which: int) -> None:
        held = running_requests().filter(worker=self.workers[which])
        running.hand_back(self.workers[which], [as_stored(one) for one in held], engine_died=True)
        self.model.engine_dies(which)

    @rule(which=st.integers(0, 1))
    def worker_drains(self, which: int) -> None:
        running.hand_back(self.workers[which], [])
        self.model.give_back(self.model.held_by(which))

    @rule(n=st.integers(1, 3), share=st.integers(0, 2), fair=st.booleans())
    def policy_changes(self, n: int, share: int, fair: bool) -> None:
        self.model.n, self.model.share, self.model.fair = n, share, fair
        self._set_policy()

    @invariant()
    def database_and_model_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        rows = {row.pk: row for row in GenerationRequest.objects.all()}
        assert {key: row.state for key, row in rows.items()} == {
            key: row.state for key, row in self.model.rows.items()
        }
        for key, expected in self.model.rows.items():
            found = rows[key]
            assert (found.suspect, found.deaths) == (expected.suspect, expected.deaths)
            assert found.output_text == expected.text
        told = places()
        assert [place.public_id for place in told] == [
            str(rows[row.key].public_id) for row in self.model.order()
        ]
        assert [place.position for place in told] == list(range(1, len(told) + 1))


def run_machine(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        QueueMachine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.django_db
def test_the_queue_does_what_its_model_does_in_any_order_of_events() -> None:
    run_machine(examples=20, steps=30)


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.django_db
def test_the_queue_does_what_its_model_does_in_long_histories() -> None:
    run_machine(examples=500, steps=50)
