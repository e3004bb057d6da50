"""Signals: what is sent when, after the commit, and that a bad receiver hurts nobody."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal

from inference import signals
from inference.models import GenerationRequest, WorkerNode
from inference.queue import Refused, abort, running
from inference.queue.claiming import claim
from inference.queue.running import Ending
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of

pytestmark = pytest.mark.django_db(transaction=True)
NAMES = ("queued", "started", "first_token", "finished", "rejected")


@pytest.fixture
def heard() -> Iterator[list[str]]:
    names: list[str] = []
    receivers: list[tuple[Signal, Any]] = []
    for name in NAMES:

        def receive(name: str = name, **sent: Any) -> None:
            assert not transaction.get_connection().in_atomic_block
            names.append(name)

        signal: Signal = getattr(signals, name)
        signal.connect(receive, weak=False)
        receivers.append((signal, receive))
    yield names
    for signal, receiver in receivers:
        signal.disconnect(receiver)


@pytest.fixture
def worker() -> WorkerNode:
    a_policy(max_running=1, max_waiting=1)
    return a_worker()


def test_a_request_is_heard_of_at_each_step_of_its_life(
    worker: WorkerNode, heard: list[str]
) -> None:
    a_request()
    (request,) = claim(worker, 0)
    running.checkpoint(worker, [progress_of(request)])
    running.checkpoint(worker, [progress_of(request, "a", 1)])
    running.checkpoint(worker, [progress_of(request, "ab", 2)])
    running.finish(worker, Ending(progress_of(request, "abc", 3), "stop"))
    assert heard == ["queued", "started", "first_token", "finished"]


def test_an_abort_and_a_refusal_are_heard_of(worker: WorkerNode, heard: list[str]) -> None:
    user = a_user()
    request, _other = a_request(user), a_request()
    with pytest.raises(Refused):
        a_request()
    abort(str(request.public_id), user)
    assert heard == ["queued", "queued", "rejected", "finished"]


def test_what_is_rolled_back_is_not_heard_of(worker: WorkerNode, heard: list[str]) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        a_request()
        _ = 1 / 0
    assert heard == []


@pytest.mark.parametrize("name", ["queued", "started", "first_token", "finished"])
def test_a_receiver_that_raises_is_logged_and_changes_nothing(
    worker: WorkerNode, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**sent: Any) -> None:
        raise RuntimeError("integrator's fault")

    signal: Signal = getattr(signals, name)
    signal.connect(broken, weak=False)
    try:
        a_request()
        (request,) = claim(worker, 0)
        running.finish(worker, Ending(progress_of(request, "abc", 3), "stop"))
    finally:
        signal.disconnect(broken)
    row = GenerationRequest.objects.get()
    assert (row.state, row.output_text) == ("finished", "abc")
    assert "integrator's fault" in caplog.text
