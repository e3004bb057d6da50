"""Claiming: who is next, how many, and for whom."""

import pytest

from inference.models import GenerationRequest, QueuePolicy
from inference.queue.claiming import claim
from inference.queue.running import hand_back
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of

pytestmark = pytest.mark.django_db


def test_the_first_to_come_is_the_first_to_run() -> None:
    a_policy(max_running=2, max_waiting=10)
    worker = a_worker()
    requests = [a_request() for _ in range(4)]
    assert [one.pk for one in claim(worker, 0)] == [requests[0].pk, requests[1].pk]


def test_a_full_worker_claims_nothing() -> None:
    a_policy(max_running=2, max_waiting=10)
    worker = a_worker()
    a_request()
    assert claim(worker, 2) == []


def test_slots_bound_what_a_worker_claims_even_when_n_is_larger() -> None:
    a_policy(max_running=8, max_waiting=10)
    worker = a_worker(slots=3)
    for _ in range(5):
        a_request()
    assert len(claim(worker, 0)) == 3


def test_a_claimed_request_is_running_under_a_lease_of_that_worker() -> None:
    a_policy(max_running=1, max_waiting=10)
    worker = a_worker()
    a_request()
    (request,) = claim(worker, 0)
    request.refresh_from_db()
    assert request.state == GenerationRequest.State.RUNNING
    assert (request.worker_id, request.attempt) == (worker.pk, 1)
    assert request.lease_until is not None and request.claimed_at is not None


def test_nobody_runs_more_than_their_share_while_others_wait() -> None:
    a_policy(max_running=3, max_waiting=10, max_running_per_user=1, max_waiting_per_user=9)
    worker = a_worker()
    greedy, other = a_user(), a_user()
    first = a_request(greedy)
    a_request(greedy)
    last = a_request(other)
    assert [one.pk for one in claim(worker, 0)] == [first.pk, last.pk]


def test_a_paused_queue_hands_out_nothing() -> None:
    a_policy(max_running=3, max_waiting=10, paused=True)
    worker = a_worker()
    a_request()
    assert claim(worker, 0) == []
    QueuePolicy.objects.update(paused=False)
    assert len(claim(worker, 0)) == 1


def test_a_worker_leaves_requests_for_another_model_alone() -> None:
    a_policy(max_running=3, max_waiting=10)
    small, large = a_worker(model="small"), a_worker(model="large")
    request = a_request(model="large")
    assert claim(small, 0) == []
    assert [one.pk for one in claim(large, 0)] == [request.pk]


def test_changing_n_changes_the_next_claim() -> None:
    a_policy(max_running=1, max_waiting=10)
    worker = a_worker()
    for _ in range(4):
        a_request()
    assert len(claim(worker, 0)) == 1
    QueuePolicy.objects.update(max_running=3)
    assert len(claim(worker, 1)) == 2


@pytest.mark.parametrize(("vocabulary", "ids"), [("v1", [0, 1, 2]), ("v2", [])])
def test_tokens_are_kept_for_a_model_of_the_same_vocabulary_and_text_for_any(
    vocabulary: str, ids: list[int]
) -> None:
    a_policy(max_running=1, max_waiting=10)
    a_request()
    first = a_worker(vocabulary="v1")
    (request,) = claim(first, 0)
    hand_back(first, [progress_of(request, "so far", tokens=3)])
    second = a_worker(vocabulary=vocabulary)
    (again,) = claim(second, 0)
    again.refresh_from_db()
    assert (again.output_text, again.output_token_ids) == ("so far", ids)
    assert again.vocabulary == vocabulary
