"""Bounds per person: each by itself, and exact whoever else is there."""

import pytest

from inference.queue import Refused
from inference.queue.claiming import claim
from tests.inference.build import a_policy, a_request, a_user, a_worker

pytestmark = pytest.mark.django_db


def accepted(user: object, tries: int = 20) -> int:
    """How many of a burst of one person get in."""
    for number in range(tries):
        try:
            a_request(user)
        except Refused as refused:
            assert refused.code == "user_limit"
            return number
    return tries


@pytest.mark.parametrize(
    ("running", "waiting", "expected"), [(2, 5, 7), (0, 5, 9), (1, 1, 2), (9, 2, 6), (2, 0, 20)]
)
def test_a_burst_into_a_free_site_gets_its_share_to_run_and_its_share_to_wait(
    running: int, waiting: int, expected: int
) -> None:
    a_policy(
        max_running=4,
        max_waiting=50,
        max_running_per_user=running,
        max_waiting_per_user=waiting,
    )
    a_worker()
    assert accepted(a_user()) == expected


def test_with_every_place_taken_only_the_share_to_wait_is_left() -> None:
    a_policy(max_running=2, max_waiting=50, max_running_per_user=2, max_waiting_per_user=3)
    worker = a_worker()
    for _ in range(2):
        a_request()
    assert len(claim(worker, 0)) == 2
    assert accepted(a_user()) == 3


def test_what_others_may_not_run_takes_no_place_from_anybody() -> None:
    a_policy(max_running=4, max_waiting=50, max_running_per_user=2, max_waiting_per_user=3)
    a_worker()
    assert accepted(a_user()) == 5
    assert accepted(a_user()) == 5


def test_a_claim_frees_a_place_to_wait() -> None:
    a_policy(max_running=1, max_waiting=50, max_running_per_user=1, max_waiting_per_user=2)
    worker = a_worker()
    user = a_user()
    assert accepted(user) == 3
    assert len(claim(worker, 0)) == 1
    assert accepted(user) == 0


def test_the_share_to_run_holds_without_a_share_to_wait() -> None:
    a_policy(max_running=4, max_waiting=50, max_running_per_user=1, max_waiting_per_user=0)
    worker = a_worker()
    user = a_user()
    assert accepted(user, 10) == 10
    assert len(claim(worker, 0)) == 1


def test_without_a_worker_only_waiting_counts() -> None:
    a_policy(max_running=4, max_waiting=50, max_running_per_user=2, max_waiting_per_user=3)
    assert accepted(a_user()) == 3
