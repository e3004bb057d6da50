"""A request that kills engines: alone the next time, and ended after two deaths of its own."""

import pytest

from inference.models import GenerationRequest, WorkerNode
from inference.queue import running
from inference.queue.claiming import claim
from inference.queue.ordering import running_requests
from inference.queue.rescue import rescue
from inference.queue.running import Ending
from tests.inference.build import (
    a_request,
    a_worker,
    age_lease,
    as_stored,
    progress_of,
    vanish,
)

pytestmark = pytest.mark.django_db
State = GenerationRequest.State


def engine_dies(worker: WorkerNode, *gained: GenerationRequest) -> None:
    """With a token more for each of `gained` since their claim."""
    newest = {one.pk: progress_of(one, "x", one.tokens_at_claim + 1) for one in gained}
    held = running_requests().filter(worker=worker)
    progress = [newest.get(one.pk, as_stored(one)) for one in held]
    running.hand_back(worker, progress, engine_died=True)


def end(worker: WorkerNode, request: GenerationRequest) -> None:
    assert running.finish(worker, Ending(progress_of(request, "done", 9), "stop")) is not None


def test_what_ran_together_runs_one_at_a_time_afterwards(worker: WorkerNode) -> None:
    together = [a_request() for _ in range(3)]
    engine_dies(worker, *claim(worker, 0))
    newcomer = a_request()
    for expected in together:
        (alone,) = claim(worker, 0)
        assert alone.pk == expected.pk
        assert claim(worker, 1) == []
        end(worker, alone)
    assert [one.pk for one in claim(worker, 0)] == [newcomer.pk]


def test_only_the_one_that_kills_ends_and_the_others_come_through(worker: WorkerNode) -> None:
    poison, *others = [a_request() for _ in range(4)]
    claimed = claim(worker, 0)
    engine_dies(worker, *claimed[1:])
    (alone,) = claim(worker, 0)
    assert alone.pk == poison.pk
    engine_dies(worker)
    poison.refresh_from_db()
    assert (poison.state, poison.code, poison.deaths) == (State.FAILED, "engine_died", 2)
    assert poison.detail
    for other in others:
        (alone,) = claim(worker, 0)
        assert (alone.pk, alone.deaths) == (other.pk, 0)
        end(worker, alone)


def test_a_death_beside_others_counts_only_against_what_gained_nothing(worker: WorkerNode) -> None:
    a_request(), a_request()
    slow, quick = claim(worker, 0)
    engine_dies(worker, quick)
    slow.refresh_from_db()
    quick.refresh_from_db()
    assert (slow.deaths, quick.deaths) == (1, 0)


def test_a_death_while_it_runs_alone_counts_whatever_it_gained(worker: WorkerNode) -> None:
    request = a_request()
    for _ in range(2):
        engine_dies(worker, *claim(worker, 0))
    request.refresh_from_db()
    assert (request.state, request.output_text) == (State.FAILED, "x")


def test_drains_count_against_nobody(worker: WorkerNode) -> None:
    request = a_request()
    for _ in range(6):
        claim(worker, 0)
        running.hand_back(worker, [])
    request.refresh_from_db()
    assert (request.state, request.deaths, request.suspect) == (State.WAITING, 0, False)


def test_a_vanished_worker_makes_suspect_only_what_gained_nothing(worker: WorkerNode) -> None:
    a_request(), a_request()
    gained, stuck = claim(worker, 0)
    running.checkpoint(worker, [progress_of(gained, "x", 1)])
    assert [one.pk for one in vanish(worker)] == [gained.pk, stuck.pk]
    gained.refresh_from_db()
    stuck.refresh_from_db()
    assert (gained.suspect, gained.deaths) == (False, 0)
    assert (stuck.suspect, stuck.deaths) == (True, 0)


def test_what_a_living_worker_lost_sight_of_is_not_to_blame(worker: WorkerNode) -> None:
    """The answer to its claim was lost in an outage of the database, say."""
    request = a_request()
    (claimed,) = claim(worker, 0)
    age_lease(claimed)
    assert rescue() == [request]
    request.refresh_from_db()
    assert (request.suspect, request.deaths) == (False, 0)


def test_an_engines_death_blames_nothing_that_had_not_reached_it(worker: WorkerNode) -> None:
    a_request(), a_request()
    reached, on_its_way = claim(worker, 0)
    running.hand_back(worker, [as_stored(reached)], engine_died=True)
    reached.refresh_from_db()
    on_its_way.refresh_from_db()
    assert (reached.suspect, reached.deaths) == (True, 1)
    assert (on_its_way.suspect, on_its_way.deaths) == (False, 0)


def test_what_takes_whole_workers_down_ends_too(worker: WorkerNode) -> None:
    request = a_request()
    for _ in range(2):
        claim(worker, 0)
        vanish(worker)
    request.refresh_from_db()
    assert (request.state, request.code) == (State.FAILED, "engine_died")


def test_a_suspect_waits_until_its_worker_holds_nothing_and_nobody_overtakes_it(
    worker: WorkerNode,
) -> None:
    suspect = a_request()
    engine_dies(worker, *claim(worker, 0))
    a_request()
    assert claim(worker, 1) == []
    assert [one.pk for one in claim(worker, 0)] == [suspect.pk]


def test_while_a_suspect_runs_other_workers_pass_over_the_rest_of_them(worker: WorkerNode) -> None:
    for _ in range(2):
        a_request()
    engine_dies(worker, *claim(worker, 0))
    ordinary = a_request()
    other = a_worker()
    assert len(claim(worker, 0)) == 1
    assert [one.pk for one in claim(other, 0)] == [ordinary.pk]
