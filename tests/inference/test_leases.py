"""What a worker writes counts while it holds the lease, and never after."""

from collections.abc import Callable
from typing import Any

import pytest

from inference.errors import IllegalTransition, NotFound
from inference.models import GenerationRequest, WorkerNode, finished_event
from inference.queue import abort, running, snapshot
from inference.queue.claiming import claim
from inference.queue.rescue import expire, rescue
from inference.queue.running import Ending
from tests.inference.build import (
    a_request,
    a_user,
    a_worker,
    age_lease,
    progress_of,
)

pytestmark = pytest.mark.django_db
State = GenerationRequest.State


def claimed(worker: WorkerNode, user: Any = None) -> GenerationRequest:
    a_request(user)
    return claim(worker, 0)[0]


def test_a_checkpoint_stores_text_and_tokens(worker: WorkerNode) -> None:
    request = claimed(worker)
    running.checkpoint(worker, [progress_of(request, "some text", 3)])
    request.refresh_from_db()
    assert (request.output_text, request.output_token_ids) == ("some text", [0, 1, 2])
    assert request.state == State.RUNNING


def test_an_end_stores_figures_and_reason_once(worker: WorkerNode) -> None:
    request = claimed(worker)
    ended = running.finish(worker, Ending(progress_of(request, "done", 4), "stop"))
    assert ended is not None and ended.state == State.FINISHED
    assert running.finish(worker, Ending(progress_of(request, "again", 9), "length")) is None
    event = finished_event(ended).to_dict()
    assert (event["length"], event["finish_reason"]) == (4, "stop")
    assert event["usage"] == {"prompt_tokens": 3, "cached_tokens": 0, "completion_tokens": 4}
    assert set(event["timings"]) == {"queue_s", "ttft_s", "decode_s", "tokens_per_s"}


def test_a_dead_workers_request_goes_on_elsewhere_with_its_text(worker: WorkerNode) -> None:
    request = claimed(worker)
    running.checkpoint(worker, [progress_of(request, "half", 2)])
    age_lease(request)
    assert [one.pk for one in rescue()] == [request.pk]
    other = a_worker()
    (again,) = claim(other, 0)
    assert (again.pk, again.attempt, again.output_text) == (request.pk, 2, "half")


def test_a_worker_that_comes_back_cannot_write_any_more(worker: WorkerNode) -> None:
    request = claimed(worker)
    age_lease(request)
    rescue()
    claim(a_worker(), 0)
    running.checkpoint(worker, [progress_of(request, "stale", 9)])
    assert running.finish(worker, Ending(progress_of(request, "stale", 9), "stop")) is None
    assert running.renew_leases(worker, [request.pk]) == {}
    request.refresh_from_db()
    assert (request.output_text, request.state) == ("", State.RUNNING)


def test_a_worker_keeps_the_leases_only_on_what_it_knows_that_it_runs(
    worker: WorkerNode,
) -> None:
    known, unknown = claimed(worker), claimed(worker)
    for request in (known, unknown):
        age_lease(request)
    assert list(running.renew_leases(worker, [known.pk])) == [known.pk]
    assert [one.pk for one in rescue()] == [unknown.pk]


def test_one_that_cannot_be_rescued_does_not_keep_the_others(
    worker: WorkerNode, settings: Any
) -> None:
    settings.INFERENCE_RECORDER = "tests.inference.test_leases.a_broken_recorder"
    broken, good = claimed(worker), claimed(worker)
    GenerationRequest.objects.filter(pk=broken.pk).update(abort_requested=True)
    age_lease(broken)
    age_lease(good)
    assert [one.pk for one in rescue()] == [good.pk]


def a_broken_recorder(request: GenerationRequest) -> None:
    raise RuntimeError("planted")


def test_a_live_lease_is_not_rescued(worker: WorkerNode) -> None:
    claimed(worker)
    assert rescue() == []


def test_handing_back_returns_everything_the_worker_holds(worker: WorkerNode) -> None:
    first, second = claimed(worker), claimed(worker)
    assert len(running.hand_back(worker, [progress_of(first, "kept", 2)])) == 2
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, first.output_text, second.state) == (State.WAITING, "kept", State.WAITING)


def test_aborting_a_waiting_request_ends_it_at_once(worker: WorkerNode) -> None:
    user = a_user()
    request = a_request(user)
    assert abort(str(request.public_id), user).state == State.ABORTED
    assert claim(worker, 0) == []


def test_aborting_a_running_request_flags_it_for_its_worker(worker: WorkerNode) -> None:
    user = a_user()
    request = claimed(worker, user)
    assert abort(str(request.public_id), user).state == State.RUNNING
    assert running.abort_flags(worker) == {request.pk}


def test_a_rescued_request_with_the_flag_never_runs_again(worker: WorkerNode) -> None:
    user = a_user()
    request = claimed(worker, user)
    abort(str(request.public_id), user)
    age_lease(request)
    rescue()
    request.refresh_from_db()
    assert (request.state, request.finish_reason) == (State.ABORTED, "aborted")


def test_aborting_twice_or_after_the_end_changes_nothing(worker: WorkerNode) -> None:
    user = a_user()
    request = claimed(worker, user)
    running.finish(worker, Ending(progress_of(request, "done", 1), "stop"))
    again = abort(str(request.public_id), user)
    assert (again.state, again.finish_reason) == (State.FINISHED, "stop")


@pytest.mark.parametrize("act", [abort, snapshot])
def test_what_is_not_yours_looks_like_what_is_not_there(
    act: Callable[[str, Any], GenerationRequest], worker: WorkerNode
) -> None:
    request = a_request(a_user())
    stranger = a_user()
    errors = []
    for public_id in (
        str(request.public_id),
        "7e5c0c1e-0000-4000-8000-000000000000",
        "nonsense",
        "",
    ):
        with pytest.raises(NotFound) as caught:
            act(public_id, stranger)
        errors.append(str(caught.value))
    assert len(set(errors)) == 1


def test_staff_may_abort_what_is_not_theirs(worker: WorkerNode) -> None:
    request = a_request(a_user())
    assert (
        abort(str(request.public_id), a_user(is_staff=True, is_superuser=True)).state
        == State.ABORTED
    )


def test_a_waiting_request_that_nobody_wants_expires_but_one_that_began_does_not(
    worker: WorkerNode,
) -> None:
    begun, waiting = claimed(worker), a_request()
    running.hand_back(worker, [progress_of(begun, "half", 2)])
    from datetime import timedelta

    from inference.queue.clock import database_now

    GenerationRequest.objects.filter(wanted_until__isnull=False).update(
        wanted_until=database_now() - timedelta(seconds=1)
    )
    assert [one.pk for one in expire()] == [waiting.pk]


def test_illegal_state_changes_raise() -> None:
    ended = GenerationRequest(state=State.FINISHED)
    for state in State.values:
        with pytest.raises(IllegalTransition):
            ended.move_to(state)
    with pytest.raises(IllegalTransition):
        GenerationRequest(state=State.WAITING).move_to(State.FINISHED)
