"""The worker's loops, with real rows and a backend whose events the test writes."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError

from inference.backends.base import (
    BackendDied,
    BackendReady,
    Failed,
    Finished,
    Started,
    TextDelta,
)
from inference.database import WorkerDatabase
from inference.engine.step_report import StepReport
from inference.models import GenerationRequest, WorkerNode
from inference.queue import abort, running, workers
from inference.queue.rescue import rescue
from inference.worker import InferenceWorker
from tests.inference.build import a_policy, a_request, a_user, age_lease
from tests.inference.scripted import INFO, RememberingPublisher, ScriptedBackend, until

pytestmark = pytest.mark.django_db(transaction=True)
State = GenerationRequest.State
MESSAGE = "0b0e8b52-2d3c-4f7b-9d4e-0a4f4d3c2b1a"


class Rig:
    """A worker with its two scripted ends."""

    def __init__(self) -> None:
        self.backend = ScriptedBackend()
        self.published = RememberingPublisher()
        self.worker = InferenceWorker(self.backend, self.published, WorkerDatabase())

    async def begins(self, **fields: Any) -> tuple[GenerationRequest, str]:
        """Submits a request and waits until the backend has it; the row, and the backend's name."""
        request = await submitted(**fields)
        self.worker.wake()
        await until(lambda: self.backend.submitted)
        return request, self.backend.submitted[0].request_id


@asynccontextmanager
async def a_running_worker(**policy: object) -> AsyncIterator[Rig]:
    await sync_to_async(a_policy)(**{"max_running": 2, "max_waiting": 10, **policy})
    rig = Rig()
    await rig.worker.start()
    try:
        yield rig
    finally:
        await rig.worker.drain(0.0)


async def submitted(**fields: Any) -> GenerationRequest:
    return await sync_to_async(a_request)(**fields)


async def reread(request: GenerationRequest) -> GenerationRequest:
    return await GenerationRequest.objects.aget(pk=request.pk)


async def test_a_request_is_claimed_run_published_and_ended() -> None:
    async with a_running_worker() as rig:
        backend, published = rig.backend, rig.published
        request = await submitted(context={"message": MESSAGE})
        rig.worker.wake()
        await until(lambda: backend.submitted)
        tag = backend.submitted[0].request_id
        backend.say(Started(tag, 5, 0, False), TextDelta(tag, "Hé", [1]))
        backend.say(TextDelta(tag, "", [2]), TextDelta(tag, "llo", [3]))
        backend.say(Finished(tag, "stop"))
        await until(lambda: published.of_type("message.finished"))

        kinds = [event["type"] for event in published.events if event["type"] != "request.waiting"]
        assert kinds == ["request.running", "message.delta", "message.delta", "message.finished"]
        deltas = published.of_type("message.delta")
        assert [(one["offset"], one["text"]) for one in deltas] == [(0, "Hé"), (2, "llo")]
        finished = published.of_type("message.finished")[0]
        assert (finished["length"], finished["message"]) == (5, MESSAGE)
        assert finished["usage"]["completion_tokens"] == 3
        row = await reread(request)
        assert (row.state, row.output_text, row.prompt_tokens) == (State.FINISHED, "Héllo", 5)


def places_told(published: Any) -> list[tuple[int, int]]:
    return [(one["position"], one["waiting"]) for one in published.of_type("request.waiting")]


async def test_no_more_than_n_run_and_a_freed_place_is_filled() -> None:
    async with a_running_worker() as rig:
        for _ in range(3):
            await submitted()
        rig.worker.wake()
        await until(lambda: len(rig.backend.submitted) == 2)
        await until(lambda: places_told(rig.published)[-1:] == [(1, 1)])
        assert all(position <= waiting for position, waiting in places_told(rig.published))
        rig.backend.say(Finished(rig.backend.submitted[0].request_id, "length"))
        await until(lambda: len(rig.backend.submitted) == 3)


async def test_positions_are_pushed_when_the_queue_moves() -> None:
    async with a_running_worker(max_running=1) as rig:
        requests = [await submitted() for _ in range(3)]
        rig.worker.wake()
        last = str(requests[-1].public_id)

        def told() -> list[int]:
            waiting = rig.published.of_type("request.waiting")
            return [one["position"] for one in waiting if one["request"] == last]

        await until(lambda: told() and told()[-1] == 2)
        rig.backend.say(Finished(rig.backend.submitted[0].request_id, "stop"))
        await until(lambda: told()[-1] == 1)


async def test_text_is_checkpointed_while_it_runs() -> None:
    async with a_running_worker() as rig:
        request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "so far", [1, 2]))
        await until(lambda: rig.published.of_type("message.delta"))
        await rig.worker.checkpoint()
        row = await reread(request)
        assert (row.state, row.output_text, row.output_token_ids) == (
            State.RUNNING,
            "so far",
            [1, 2],
        )


async def test_an_abort_reaches_the_backend_by_doorbell_and_without_one() -> None:
    user = await sync_to_async(a_user)()
    async with a_running_worker() as rig:
        first, second = await submitted(user=user), await submitted(user=user)
        rig.worker.wake()
        await until(lambda: len(rig.backend.submitted) == 2)
        await sync_to_async(abort)(str(first.public_id), user)
        rig.worker.abort(str(first.public_id))
        assert [tag.split(".")[0] for tag in rig.backend.aborted] == [str(first.public_id)]
        await sync_to_async(abort)(str(second.public_id), user)
        await rig.worker.beat()
        assert str(second.public_id) in {tag.split(".")[0] for tag in rig.backend.aborted}


async def test_an_abort_in_the_middle_of_a_claim_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_running_worker() as rig:
        publish = rig.published.publish

        async def abort_then_publish(events: Any) -> None:
            # The request is claimed and announced, and the backend has not heard of it yet.
            for _group, event in events:
                if event.type == "request.running":
                    rig.worker.abort(event.request)
                    rig.backend.aborted.clear()
            await publish(events)

        monkeypatch.setattr(rig.published, "publish", abort_then_publish)
        await rig.begins()
        await until(lambda: rig.backend.aborted == [rig.backend.submitted[0].request_id])


async def test_a_failure_ends_only_its_own_request() -> None:
    async with a_running_worker() as rig:
        bad, good = await submitted(), await submitted()
        rig.worker.wake()
        await until(lambda: len(rig.backend.submitted) == 2)
        rig.backend.say(Failed(rig.backend.submitted[0].request_id, "too_long", "Too long."))
        await until(lambda: rig.published.of_type("message.finished"))
        finished = rig.published.of_type("message.finished")[0]
        assert (finished["finish_reason"], finished["code"]) == ("failed", "too_long")
        assert (await reread(bad)).state == State.FAILED
        assert (await reread(good)).state == State.RUNNING


async def test_after_an_engine_death_the_answer_goes_on_where_it_was() -> None:
    async with a_running_worker() as rig:
        _request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "half of ", [1, 2]))
        rig.backend.say(BackendDied("killed"))
        rig.backend.say(BackendReady(INFO))
        await until(lambda: len(rig.backend.submitted) == 2)
        again = rig.backend.submitted[1]
        assert (again.output_text, again.output_token_ids) == ("half of ", [1, 2])
        rig.backend.say(TextDelta(again.request_id, "it", [3]), Finished(again.request_id, "stop"))
        await until(lambda: rig.published.of_type("message.finished"))
        delta = rig.published.of_type("message.delta")[-1]
        assert (delta["attempt"], delta["offset"], delta["text"]) == (2, 8, "it")


def fails_once(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """As if the database were away when the function is called for the first time."""
    function, calls = getattr(module, name), itertools.count()

    def away(*args: Any, **kwargs: Any) -> Any:
        if next(calls) == 0:
            raise OperationalError("the database is away")
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, away)


@pytest.mark.parametrize(("module", "name"), [(running, "hand_back"), (workers, "report")])
async def test_an_engine_may_die_while_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    monkeypatch.setattr("inference.loops.AGAIN_SECONDS", 0.01)
    async with a_running_worker() as rig:
        await rig.begins()
        fails_once(monkeypatch, module, name)
        rig.backend.say(BackendDied("killed"))
        rig.backend.say(BackendReady(INFO))
        await until(lambda: len(rig.backend.submitted) == 2)


async def test_what_the_old_attempt_still_says_is_ignored() -> None:
    async with a_running_worker() as rig:
        await rig.begins()
        old = rig.backend.submitted[0].request_id
        rig.backend.say(BackendDied("killed"), BackendReady(INFO))
        await until(lambda: len(rig.backend.submitted) == 2)
        rig.backend.say(TextDelta(old, "ghost", [9]), Finished(old, "stop"))
        new = rig.backend.submitted[1].request_id
        rig.backend.say(TextDelta(new, "real", [1]))
        await until(lambda: rig.published.of_type("message.delta"))
        assert [one["text"] for one in rig.published.of_type("message.delta")] == ["real"]


async def test_a_drain_claims_nothing_more_and_hands_back_with_text() -> None:
    async with a_running_worker() as rig:
        request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "half", [1]))
        await until(lambda: rig.published.of_type("message.delta"))
        await rig.worker.drain(0.0)
        row = await reread(request)
        assert (row.state, row.output_text) == (State.WAITING, "half")
        assert rig.backend.stopped
        assert (await WorkerNode.objects.aget()).state == WorkerNode.State.STOPPED


async def test_a_drain_lets_what_runs_finish_within_its_deadline() -> None:
    async with a_running_worker() as rig:
        request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "whole", [1]), Finished(tag, "stop"))
        await rig.worker.drain(5.0)
        assert (await reread(request)).state == State.FINISHED


async def test_a_worker_that_lost_its_lease_lets_go() -> None:
    async with a_running_worker() as rig:
        request, _tag = await rig.begins()
        await GenerationRequest.objects.filter(pk=request.pk).aupdate(attempt=9, worker=None)
        await rig.worker.beat()
        assert rig.backend.aborted == [rig.backend.submitted[0].request_id]
        assert len(rig.worker.running) == 0


async def test_a_worker_picks_up_what_was_already_waiting_without_any_doorbell() -> None:
    await sync_to_async(a_policy)(max_running=2, max_waiting=10)
    await submitted()
    rig = Rig()
    await rig.worker.start()
    try:
        await until(lambda: rig.backend.submitted)
    finally:
        await rig.worker.drain(0.0)


async def test_a_heartbeat_says_what_the_engine_did() -> None:
    async with a_running_worker() as rig:
        rig.backend.engine.add(StepReport(running=1, output_tokens=1, forward_s=0.25))
        await rig.worker.beat()
        node = await WorkerNode.objects.aget()
        assert node.figures["step_ms"] == 250.0
        assert node.figures["tokens_per_s"] > 0
        assert node.runner == INFO.runner == "scripted"


@pytest.mark.parametrize("isolated", [False, True])
async def test_isolated_users_share_no_computed_prompt(settings: Any, isolated: bool) -> None:
    settings.INFERENCE_ISOLATE_USERS = isolated
    users = [await sync_to_async(a_user)() for _ in range(2)]
    async with a_running_worker() as rig:
        for user in users:
            await submitted(user=user)
        rig.worker.wake()
        await until(lambda: len(rig.backend.submitted) == 2)
        scopes = [generation.scope for generation in rig.backend.submitted]
        assert scopes == ([str(user.pk) for user in users] if isolated else ["", ""])


async def test_an_engine_that_says_nothing_is_given_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_running_worker() as rig:
        await rig.begins()
        monkeypatch.setattr("inference.conf.SILENT_SECONDS", 0.0)
        await submitted()
        await rig.worker.claim()
        assert len(rig.backend.submitted) == 1
        monkeypatch.setattr("inference.conf.SILENT_SECONDS", 5.0)
        await rig.worker.claim()
        assert len(rig.backend.submitted) == 2


async def test_a_request_that_comes_back_to_its_worker_runs_once_there() -> None:
    """The worker slept beyond its lease, and its claim came before its heartbeat."""
    async with a_running_worker() as rig:
        request, _tag = await rig.begins()
        rig.backend.say(TextDelta(rig.backend.submitted[0].request_id, "half", [1]))
        await until(lambda: rig.published.of_type("message.delta"))
        await rig.worker.checkpoint()
        await sync_to_async(age_lease)(request)
        await sync_to_async(rescue)()
        await rig.worker.claim()
        first, second = [one.request_id for one in rig.backend.submitted]
        assert rig.backend.aborted == [first]
        assert [one.tag for one in rig.worker.running] == [second]


async def test_an_end_that_comes_of_an_engines_death_is_told() -> None:
    async with a_running_worker() as rig:
        request, _tag = await rig.begins()
        await GenerationRequest.objects.filter(pk=request.pk).aupdate(deaths=1)
        rig.backend.say(BackendDied("killed"))
        await until(lambda: rig.published.of_type("message.finished"))
        (told,) = rig.published.of_type("message.finished")
        assert (told["finish_reason"], told["code"]) == ("failed", "engine_died")
