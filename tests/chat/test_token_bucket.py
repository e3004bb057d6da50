"""The token bucket of one socket."""

from types import SimpleNamespace

import pytest

from chatsite.chat import limits
from chatsite.chat.limits import TokenBucket


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


def test_a_burst_passes_and_then_the_rate_holds(clock: list[float]) -> None:
    bucket = TokenBucket(rate=2, burst=3)
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock[0] += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_rest_never_saves_up_more_than_the_burst(clock: list[float]) -> None:
    bucket = TokenBucket(rate=2, burst=3)
    clock[0] += 3600
    assert sum(bucket.take() for _ in range(10)) == 3


def test_dear_work_leaves_a_debt_and_the_wait_is_told(clock: list[float]) -> None:
    bucket = TokenBucket(rate=2, burst=3)
    bucket.charge(7)
    assert not bucket.take()
    assert bucket.seconds_until_ready() == pytest.approx(2.5)
    clock[0] += 2.5
    assert bucket.take()
