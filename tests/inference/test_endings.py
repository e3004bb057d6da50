"""Ends are stored however long the database is away, and a worker stops without it."""

from typing import Any

import pytest
from django.db import OperationalError

from inference.backends.base import Finished, TextDelta
from inference.queue import running, workers
from tests.inference.scripted import until
from tests.inference.test_worker import State, a_running_worker, reread

pytestmark = pytest.mark.django_db(transaction=True)


async def test_an_end_is_stored_when_the_database_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    finish = running.finish
    refused: list[Any] = []

    def away_twice(*arguments: Any) -> Any:
        if len(refused) < 2:
            refused.append(arguments)
            raise OperationalError("planted")
        return finish(*arguments)

    monkeypatch.setattr(running, "finish", away_twice)
    async with a_running_worker() as rig:
        request, tag = await rig.begins()
        rig.backend.say(TextDelta(tag, "whole", [1]), Finished(tag, "stop"))
        await until(lambda: refused)
        assert len(rig.worker.running) == 1  # the place is not free before the end is stored
        await until(lambda: rig.published.of_type("message.finished"))
        row = await reread(request)
        assert (row.state, row.output_text) == (State.FINISHED, "whole")
        assert len(rig.worker.running) == 0


async def test_an_end_that_can_never_be_stored_frees_the_place_and_loses_its_lease(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*arguments: Any) -> Any:
        raise ValueError("planted")

    monkeypatch.setattr(running, "finish", refuse)
    async with a_running_worker() as rig:
        request, _tag = await rig.begins()
        before = (await reread(request)).lease_until
        rig.backend.say(Finished(rig.backend.submitted[0].request_id, "stop"))
        await until(lambda: len(rig.worker.running) == 0)
        await rig.worker.beat()
        assert (await reread(request)).lease_until == before


async def test_a_worker_stops_without_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*arguments: Any, **fields: Any) -> Any:
        raise OperationalError("planted")

    async with a_running_worker() as rig:
        await rig.begins()
        monkeypatch.setattr(workers, "report", away)
        monkeypatch.setattr(running, "hand_back", away)
        await rig.worker.drain(0.0)
        assert rig.backend.stopped
