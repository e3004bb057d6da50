"""Who is next: priority, everybody in turn, arrival; ageing; and who is passed over."""

import random
from datetime import timedelta

import pytest

from inference.models import GenerationRequest
from inference.queue import Group, abort, ordering, places, running
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.ordering import order_sql, waiting_in_order
from inference.queue.policy import current_policy
from inference.queue.running import Ending
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of

pytestmark = pytest.mark.django_db


def order(model: str | None = None) -> list[int]:
    return [standing.key for standing in waiting_in_order(current_policy(), model)]


def keys(requests: list[GenerationRequest]) -> list[int]:
    return [request.pk for request in requests]


def wait_longer(request: GenerationRequest, seconds: float) -> None:
    GenerationRequest.objects.filter(pk=request.pk).update(
        submitted_at=database_now() - timedelta(seconds=seconds)
    )


def test_everybodys_first_goes_before_anybodys_second() -> None:
    a_policy(max_running=1, max_waiting=20)
    a_worker()
    ann, bob, cy = a_user(), a_user(), a_user()
    a1, a2, a3 = [a_request(ann) for _ in range(3)]
    b1, b2 = [a_request(bob) for _ in range(2)]
    c1 = a_request(cy)
    assert order() == keys([a1, b1, c1, a2, b2, a3])


def test_running_requests_count_as_somebodys_first_ones() -> None:
    a_policy(max_running=2, max_waiting=20)
    worker = a_worker()
    ann, bob = a_user(), a_user()
    _a1, _a2, a3 = [a_request(ann) for _ in range(3)]
    assert len(claim(worker, 0)) == 2
    b1, b2, b3 = [a_request(bob) for _ in range(3)]
    assert order() == keys([b1, b2, a3, b3])


def test_first_come_first_served_by_policy() -> None:
    a_policy(max_running=1, max_waiting=20, order="fifo")
    ann, bob = a_user(), a_user()
    requests = [a_request(ann), a_request(ann), a_request(bob), a_request(ann)]
    assert order() == keys(requests)


def test_after_fifty_of_one_person_another_waits_for_one_freed_place_at_most() -> None:
    a_policy(max_running=4, max_waiting=100)
    worker = a_worker()
    ann, bob = a_user(), a_user()
    for _ in range(50):
        a_request(ann)
    running = claim(worker, 0)
    assert len(running) == 4
    b1 = a_request(bob)
    assert next(place for place in places() if place.public_id == str(b1.public_id)).position == 1
    assert keys(claim(worker, 3)) == [b1.pk]


def end(request: GenerationRequest) -> None:
    assert request.worker is not None
    assert running.finish(request.worker, Ending(progress_of(request, "done", 1), "stop"))


def test_whoever_had_an_answer_stands_behind_those_who_waited_meanwhile() -> None:
    a_policy(max_running=1, max_waiting=20)
    worker = a_worker()
    ann, bob, cy = a_user(), a_user(), a_user()
    a1, a2, a3 = [a_request(ann) for _ in range(3)]
    (first,) = claim(worker, 0)
    b1, c1 = a_request(bob), a_request(cy)
    end(first)
    d1 = a_request()
    assert first.pk == a1.pk
    assert order() == keys([b1, c1, a2, d1, a3])


def test_two_with_many_in_the_queue_start_by_turns() -> None:
    a_policy(max_running=1, max_waiting=20)
    worker = a_worker()
    ann, bob = a_user(), a_user()
    a1, a2, a3 = [a_request(ann) for _ in range(3)]
    b1, b2, b3 = [a_request(bob) for _ in range(3)]
    started = []
    for _ in range(6):
        started += claim(worker, 0)
        end(started[-1])
    assert keys(started) == keys([a1, b1, a2, b2, a3, b3])


def test_a_waiting_one_that_is_taken_back_sets_nobody_back() -> None:
    a_policy(max_running=1, max_waiting=20)
    ann, bob = a_user(), a_user()
    unwanted, a2 = a_request(ann), a_request(ann)
    b1 = a_request(bob)
    abort(str(unwanted.public_id), ann)
    assert order() == keys([a2, b1])


@pytest.mark.parametrize("kind", ["fair", "fifo"])
def test_priority_comes_first(kind: str) -> None:
    a_policy(max_running=1, max_waiting=20, order=kind, ageing_seconds=0)
    guest = a_request(group=Group.GUESTS)
    member = a_request(group=Group.MEMBERS)
    staff = a_request(group=Group.STAFF)
    assert order() == keys([staff, member, guest])


def test_the_priority_of_a_group_is_the_policys_at_submit() -> None:
    a_policy(max_running=1, max_waiting=20, priority_guests=7)
    before = a_request(group=Group.GUESTS)
    a_policy(max_running=1, max_waiting=20, priority_guests=1)
    assert (before.priority, a_request(group=Group.GUESTS).priority) == (7, 1)


def test_waiting_lifts_by_one_level_each_time() -> None:
    a_policy(max_running=1, max_waiting=20, ageing_seconds=60)
    guest, member = a_request(group=Group.GUESTS), a_request()
    wait_longer(guest, 59)
    assert order() == keys([member, guest])
    wait_longer(guest, 61)  # as high as a member now, and earlier
    assert order() == keys([guest, member])


def test_nobody_rises_above_the_highest_so_that_turns_still_count() -> None:
    a_policy(max_running=1, max_waiting=20, ageing_seconds=1)
    ann = a_user()
    first, second = a_request(ann, group=Group.GUESTS), a_request(ann, group=Group.GUESTS)
    for request in (first, second):
        wait_longer(request, 1_000)
    staff = a_request(group=Group.STAFF)
    assert order() == keys([first, staff, second])


def test_without_ageing_nobody_is_lifted() -> None:
    a_policy(max_running=1, max_waiting=20, ageing_seconds=0)
    guest, member = a_request(group=Group.GUESTS), a_request()
    wait_longer(guest, 100_000)
    assert order() == keys([member, guest])


@pytest.mark.parametrize("kind", ["fair", "fifo"])
def test_whoever_runs_their_share_is_passed_over_and_stands_behind(kind: str) -> None:
    a_policy(max_running=3, max_waiting=20, max_running_per_user=1, order=kind)
    worker = a_worker()
    ann, bob = a_user(), a_user()
    _running, a2 = a_request(ann, group=Group.STAFF), a_request(ann, group=Group.STAFF)
    assert len(claim(worker, 0)) == 1
    b1, b2 = a_request(bob), a_request(bob)
    told = {place.public_id: place.position for place in places()}
    assert [told[str(one.public_id)] for one in (b1, a2, b2)] == [1, 2, 3]
    assert keys(claim(worker, 1)) == [b1.pk]
    assert claim(worker, 2) == []


def test_a_model_that_is_busy_does_not_use_up_somebodys_turns_at_another() -> None:
    a_policy(max_running=1, max_waiting=20, max_running_per_user=1)
    _small, large = a_worker(model="small"), a_worker(model="large")
    ann = a_user()
    a_request(ann, model="small"), a_request(ann, model="small")
    wanted = a_request(ann, model="large")
    assert keys(claim(large, 0)) == [wanted.pk]


def test_a_position_counts_only_those_before_it_at_the_same_model() -> None:
    a_policy(max_running=1, max_waiting=20)
    a_worker(model="small"), a_worker(model="large")
    a_request(model="small")
    any_model, large = a_request(), a_request(model="large")
    told = {place.public_id: place.position for place in places()}
    assert told[str(any_model.public_id)] == 1
    assert told[str(large.public_id)] == 2


def test_the_first_in_the_order_is_the_next_to_be_claimed_and_the_rest_move_up() -> None:
    a_policy(max_running=1, max_waiting=20)
    worker = a_worker()
    people = [a_user() for _ in range(3)]
    for number in range(9):
        a_request(people[number * number % 3])
    while expected := order():
        (claimed,) = claim(worker, 0)
        assert claimed.pk == expected[0]
        abort_running(claimed)


def abort_running(request: GenerationRequest) -> None:
    from inference.queue.rescue import rescue
    from tests.inference.build import age_lease

    abort(str(request.public_id), request.user)
    age_lease(request)
    rescue()


@pytest.mark.parametrize("seed", range(6))
def test_the_first_few_are_the_beginning_of_the_whole_order(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ordering, "_OLDEST_PER_ROW", 1 + seed % 2)
    monkeypatch.setattr(ordering, "_OLDEST_AT_LEAST", 1)
    dice = random.Random(seed)
    policy = a_policy(
        max_running=3,
        max_waiting=200,
        max_running_per_user=seed % 3,
        order=dice.choice(["fair", "fifo"]),
        ageing_seconds=dice.choice([0, 10]),
    )
    people = [a_user() for _ in range(6)]
    made = [
        a_request(dice.choice(people[: 1 + seed]), group=dice.choice(list(Group)))
        for _ in range(40)
    ]
    for place, request in enumerate(made):
        wait_longer(request, 40 - place)
    for had_an_answer in claim(a_worker(model="m"), 0)[: seed % 3]:
        end(had_an_answer)
    whole = waiting_in_order(policy)
    for limit in range(1, 12):
        assert waiting_in_order(policy, None, limit) == whole[:limit]
        assert waiting_in_order(policy, "m", limit) == whole[:limit]


def test_one_statement_says_the_order() -> None:
    sql = order_sql()
    assert sql.count(" OVER ") == 1
