"""What a process counts is written once, and nothing of it is lost when writing fails."""

import threading
from typing import Any

import pytest

from inference import conf
from inference.telemetry.flusher import Flusher
from inference.telemetry.series import LONGEST_VALUE, decoded, encoded
from inference.telemetry.totals import Deltas, Totals

A, B = ("a", ""), ("b", "")


def test_threads_that_add_at_once_lose_nothing() -> None:
    totals = Totals()

    def add() -> None:
        for _ in range(5_000):
            totals.add({A: 1.0, B: 2.0})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken = [totals.take() for _ in range(200)]
    for thread in threads:
        thread.join()
    taken.append(totals.take())
    assert sum(one.get(A, 0) for one in taken) == 20_000
    assert sum(one.get(B, 0) for one in taken) == 40_000


def test_what_could_not_be_written_goes_out_with_what_came_since() -> None:
    written: list[Deltas] = []
    broken = True

    def write(deltas: Deltas) -> None:
        if broken:
            raise OSError("the database is away")
        written.append(deltas)

    totals = Totals()
    flusher = Flusher(totals, write)
    totals.add({A: 1.0})
    assert not flusher.flush()
    totals.add({A: 2.0, B: 5.0})
    broken = False
    assert flusher.flush() and flusher.flush()
    assert written == [{A: 3.0, B: 5.0}]


def test_an_outage_is_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    def write(deltas: Deltas) -> None:
        raise OSError("the database is away")

    totals = Totals()
    flusher = Flusher(totals, write)
    totals.add({A: 1.0})
    for _ in range(3):
        flusher.flush()
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_process_that_serves_writes_by_itself_and_once_more_at_its_end(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INFERENCE_KEEP_METRICS = True
    monkeypatch.setattr(conf, "METRICS_SECONDS", 0.01)
    written: list[Deltas] = []
    came = threading.Event()

    def write(deltas: Deltas) -> None:
        written.append(deltas)
        came.set()

    totals = Totals()
    flusher = Flusher(totals, write)
    totals.add({A: 1.0})
    flusher.notice()
    assert came.wait(5)
    totals.add({A: 2.0})  # unnoticed, as in the moment before a process ends
    flusher.close()
    assert written == [{A: 1.0}, {A: 2.0}]


def test_a_test_process_writes_nothing_by_itself() -> None:
    before = set(threading.enumerate())
    flusher = Flusher(Totals(), lambda deltas: None)
    flusher.notice()
    assert set(threading.enumerate()) <= before


def test_labels_have_one_spelling_and_an_end() -> None:
    assert encoded({"b": "2", "a": "1"}) == encoded({"a": "1", "b": "2"})
    hostile = {"model_name": 'a"}\n\x00\x1b[31m\\' * 100, "group": "guests", "le": "+Inf"}
    assert len(encoded(hostile)) <= 400
    assert decoded(encoded(hostile))["model_name"] == ('a"}[31m\\' * 100)[:LONGEST_VALUE]
