"""What staff change by hand: who is next, who takes requests, the limits."""

import uuid
from typing import Any

import pytest

from inference.errors import NotFound, NotPossible
from inference.models import WorkerNode
from inference.queue import Group, places, ready_workers, steering
from inference.queue.claiming import claim
from inference.queue.policy import current_policy
from inference.signals import policy_changed
from tests.inference.build import a_policy, a_request, a_user, vanish

pytestmark = pytest.mark.django_db


def order() -> list[str]:
    return [place.public_id for place in places()]


def test_who_is_moved_to_the_front_starts_next_whoever_waits(worker: WorkerNode) -> None:
    a_policy(max_running=1, max_waiting=10)
    for group in (Group.STAFF, Group.MEMBERS):
        a_request(group=group)
    guest, other = a_request(group=Group.GUESTS), a_request(group=Group.GUESTS)
    steering.move_to_front(str(other.public_id))
    steering.move_to_front(str(guest.public_id))
    assert order()[:2] == [str(guest.public_id), str(other.public_id)]
    assert claim(worker, 0)[0].pk == guest.pk


def test_moving_the_first_one_to_the_front_again_changes_nothing(worker: WorkerNode) -> None:
    request = a_request()
    once = steering.move_to_front(str(request.public_id)).priority
    assert steering.move_to_front(str(request.public_id)).priority == once


def test_somebodys_third_request_moved_to_the_front_is_that_persons_next(
    worker: WorkerNode,
) -> None:
    a_policy(max_running=4, max_waiting=10, max_running_per_user=1)
    ann = a_user()
    _first, _second, third = [a_request(ann) for _ in range(3)]
    steering.move_to_front(str(third.public_id))
    assert [request.pk for request in claim(worker, 0)] == [third.pk]


def test_a_lower_priority_puts_one_behind_the_others(worker: WorkerNode) -> None:
    first, second = a_request(), a_request()
    steering.set_priority(str(first.public_id), -1)
    assert order() == [str(second.public_id), str(first.public_id)]
    with pytest.raises(NotPossible, match="between -100 and 100"):
        steering.set_priority(str(first.public_id), 101)


def test_what_runs_or_is_over_or_unknown_has_no_place_to_change(worker: WorkerNode) -> None:
    request = a_request()
    claim(worker, 0)
    with pytest.raises(NotPossible, match="runs already"):
        steering.move_to_front(str(request.public_id))
    with pytest.raises(NotFound):
        steering.move_to_front(str(uuid.uuid4()))
    with pytest.raises(NotFound):
        steering.set_priority("no id", 1)


def test_a_drained_worker_takes_nothing_and_offers_no_places_until_it_may_again(
    worker: WorkerNode,
) -> None:
    request = a_request()
    steering.let_worker_take(worker.name, False)
    assert claim(worker, 0) == []
    assert not ready_workers()
    steering.let_worker_take(worker.name, True)
    assert [one.pk for one in claim(worker, 0)] == [request.pk]
    assert ready_workers().get() == worker


def test_a_worker_that_is_gone_cannot_be_drained(worker: WorkerNode) -> None:
    vanish(worker)
    WorkerNode.objects.filter(pk=worker.pk).update(state="stopped")
    with pytest.raises(NotPossible, match="gone"):
        steering.let_worker_take(worker.name, False)
    with pytest.raises(NotFound):
        steering.let_worker_take("nobody", False)


def test_a_change_of_the_policy_keeps_what_others_changed_and_is_told_after_the_commit(
    django_capture_on_commit_callbacks: Any,
) -> None:
    a_policy(max_running=2, max_waiting=7)
    told: list[tuple[int, str]] = []

    def hear(policy: Any, **_: Any) -> None:
        told.append((policy.max_running, policy.notice))

    policy_changed.connect(hear)
    try:
        with django_capture_on_commit_callbacks(execute=True):
            steering.change_policy(max_running=3, notice="Back at six")
            assert not told
    finally:
        policy_changed.disconnect(hear)
    assert told == [(3, "Back at six")]
    assert current_policy().max_waiting == 7


def test_the_front_is_never_further_than_the_column_reaches(worker: WorkerNode) -> None:
    a_policy(priority_staff=2**15 - 1, max_running=1, max_waiting=10)
    request = a_request(group=Group.GUESTS)
    assert steering.move_to_front(str(request.public_id)).priority == 2**15 - 1
