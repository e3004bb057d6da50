"""Deadlines of the policy: for waiting, and for running."""

from datetime import timedelta

import pytest
from asgiref.sync import sync_to_async

from inference.backends.base import TextDelta
from inference.models import GenerationRequest
from inference.queue import running
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.rescue import expire
from tests.inference.build import a_policy, a_request, a_worker
from tests.inference.scripted import until
from tests.inference.test_worker import a_running_worker, reread

State = GenerationRequest.State


def set_back(field: str, seconds: float) -> None:
    GenerationRequest.objects.update(**{field: database_now() - timedelta(seconds=seconds)})


@pytest.mark.django_db
def test_a_request_that_waited_too_long_ends_with_a_sentence() -> None:
    a_policy(max_running=1, max_waiting=5, max_waiting_seconds=60)
    request = a_request()
    set_back("submitted_at", 59)
    assert expire() == []
    set_back("submitted_at", 61)
    assert [one.pk for one in expire()] == [request.pk]
    request.refresh_from_db()
    assert (request.state, request.code) == (State.FAILED, "expired")
    assert "60" in request.detail


@pytest.mark.django_db
def test_zero_is_no_deadline() -> None:
    a_policy(max_running=1, max_waiting=5)
    worker = a_worker()
    a_request(), a_request()
    claim(worker, 0)
    set_back("submitted_at", 10**6)
    GenerationRequest.objects.filter(state=State.RUNNING).update(
        running_since=database_now() - timedelta(days=9)
    )
    assert expire() == []
    assert running.overdue(worker) == set()


@pytest.mark.django_db
def test_an_answer_that_has_begun_does_not_expire() -> None:
    a_policy(max_running=1, max_waiting=5, max_waiting_seconds=60)
    worker = a_worker()
    a_request()
    claim(worker, 0)
    running.hand_back(worker, [])
    set_back("submitted_at", 10**6)
    set_back("wanted_until", 10**6)
    assert expire() == []


@pytest.mark.django_db(transaction=True)
async def test_what_runs_too_long_ends_with_the_text_that_it_has() -> None:
    async with a_running_worker(max_running_seconds=60) as rig:
        request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "so far", [1, 2]))
        await until(lambda: rig.published.of_type("message.delta"))
        await rig.worker.beat()
        assert rig.backend.aborted == []
        await sync_to_async(set_back)("running_since", 61)
        await rig.worker.beat()
        await until(lambda: rig.published.of_type("message.finished"))
        assert rig.backend.aborted == [tag]
        row = await reread(request)
        assert (row.state, row.output_text) == (State.FINISHED, "so far")
        assert (row.finish_reason, row.code) == ("length", "deadline")
