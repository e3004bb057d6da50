"""The pace and the order of what is published, on a clock that the test turns."""

import pytest

from inference import outbox as module
from inference.messages import MessageDelta, MessageFinished, RequestRunning, RequestWaiting
from inference.outbox import SHORTEST_INTERVAL, Addressed, Outbox

GROUP = "user.1"


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def outbox(clock: Clock) -> Outbox:
    return Outbox(clock)


def delta(offset: int, text: str, request: str = "r", attempt: int = 1) -> MessageDelta:
    return MessageDelta(request, attempt, offset, text, context={"message": "m"})


def finished(request: str = "r", length: int = 0) -> MessageFinished:
    return MessageFinished(request, length, "stop", False, {}, {})


def texts(batch: list[Addressed]) -> list[tuple[int, str]]:
    return [(one.offset, one.text) for _, one in batch if isinstance(one, MessageDelta)]


def test_the_first_text_of_a_quiet_request_goes_out_at_once(outbox: Outbox) -> None:
    assert outbox.seconds_to_wait() is None
    outbox.add(GROUP, delta(0, "a"))
    assert outbox.seconds_to_wait() == 0
    assert outbox.take() == [(GROUP, delta(0, "a"))]
    assert outbox.is_empty


def test_text_that_comes_faster_goes_out_as_one_piece(outbox: Outbox, clock: Clock) -> None:
    outbox.add(GROUP, delta(0, "a"))
    outbox.take()
    for offset, text in [(1, "b"), (2, "cd"), (4, "é")]:
        clock.now += 0.005
        outbox.add(GROUP, delta(offset, text))
        assert outbox.take() == []
    assert outbox.seconds_to_wait() == pytest.approx(SHORTEST_INTERVAL - 0.015)
    clock.now += SHORTEST_INTERVAL - 0.015 + 1e-6
    assert outbox.take() == [(GROUP, delta(1, "bcdé"))]


def test_slow_text_is_never_held_up(outbox: Outbox, clock: Clock) -> None:
    for offset in range(5):
        outbox.add(GROUP, delta(offset, "x"))
        assert texts(outbox.take()) == [(offset, "x")]
        clock.now += 0.05


def test_an_ending_takes_the_text_before_it_along(outbox: Outbox, clock: Clock) -> None:
    outbox.add(GROUP, delta(0, "a"))
    outbox.take()
    clock.now += 0.001
    outbox.add(GROUP, delta(1, "b"))
    outbox.add(GROUP, finished(length=2))
    assert outbox.seconds_to_wait() == 0
    assert outbox.take() == [(GROUP, delta(1, "b")), (GROUP, finished(length=2))]


def test_requests_do_not_wait_for_each_other(outbox: Outbox, clock: Clock) -> None:
    outbox.add(GROUP, delta(0, "a"))
    outbox.take()
    clock.now += 0.001
    outbox.add(GROUP, delta(1, "b"))
    outbox.add("user.2", delta(0, "z", request="other"))
    assert outbox.take() == [("user.2", delta(0, "z", request="other"))]


@pytest.mark.parametrize("next_one", [delta(5, "far"), delta(1, "again", attempt=2)])
def test_text_that_does_not_follow_stays_apart_and_in_order(
    outbox: Outbox, clock: Clock, next_one: MessageDelta
) -> None:
    outbox.add(GROUP, delta(0, "a"))
    outbox.add(GROUP, next_one)
    clock.now += 1
    assert [event for _, event in outbox.take()] == [delta(0, "a"), next_one]


@pytest.mark.parametrize(("requests", "most"), [(20, 700), (90, 3_000), (200, 3_050), (600, 3_050)])
def test_many_streams_stay_below_what_a_web_process_can_write(
    outbox: Outbox, clock: Clock, requests: int, most: int
) -> None:
    frames, seconds, step = 0, 4.0, 0.02
    for number in range(int(seconds / step)):
        for request in range(requests):
            outbox.add(GROUP, delta(number, "x", request=str(request)))
        sent = len(outbox.take())
        frames += sent if number * step >= 1 else 0
        clock.now += step
    assert requests * 10 <= frames / (seconds - 1) <= most or requests > 300
    assert frames / (seconds - 1) <= most


def test_a_step_of_very_many_goes_out_in_bursts_that_a_web_process_can_write(
    outbox: Outbox, clock: Clock
) -> None:
    for request in range(150):
        outbox.add(GROUP, delta(0, "x", request=str(request)))
    begun, bursts = clock.now, []
    while not outbox.is_empty:
        clock.now += outbox.seconds_to_wait() or 0.0
        bursts.append([event.request for _, event in outbox.take()])
    assert [len(burst) for burst in bursts] == [60, 60, 30]
    assert sum(bursts, []) == [str(request) for request in range(150)]
    assert clock.now - begun == pytest.approx(0.04)


def test_an_ending_does_not_wait_for_the_bursts(outbox: Outbox) -> None:
    for request in range(150):
        outbox.add(GROUP, delta(0, "x", request=str(request)))
    outbox.take()
    outbox.add(GROUP, finished("149", 1))
    assert [event.request for _, event in outbox.take()] == ["149", "149"]


def test_requests_that_fell_quiet_slow_nobody_down(outbox: Outbox, clock: Clock) -> None:
    for request in range(600):
        outbox.add(GROUP, delta(0, "x", request=str(request)))
    while not outbox.is_empty:
        clock.now += outbox.seconds_to_wait() or 0.0
        outbox.take()
    assert outbox.interval == pytest.approx(0.2)
    clock.now += 1.1
    outbox.add(GROUP, delta(0, "x"))
    outbox.take()
    assert outbox.interval == SHORTEST_INTERVAL


def test_what_did_not_go_out_comes_first_without_its_text(outbox: Outbox, clock: Clock) -> None:
    outbox.add(GROUP, delta(0, "a"))
    outbox.add(GROUP, finished(length=1))
    failed = outbox.take()
    outbox.add(GROUP, RequestRunning("later", 1))
    outbox.give_back(failed)
    assert outbox.take() == [(GROUP, finished(length=1)), (GROUP, RequestRunning("later", 1))]
    assert outbox.dropped == 1


def test_text_without_end_is_dropped_and_shows_as_a_gap(
    outbox: Outbox, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TEXT", 100)
    outbox.add(GROUP, delta(0, "a"))
    outbox.take()
    for offset in range(1, 1_000):
        outbox.add(GROUP, delta(offset, "x"))
    clock.now += 1
    ((offset, text),) = texts(outbox.take())
    assert offset > 1 and offset + len(text) == 1_000 and len(text) <= 100
    assert outbox.dropped > 0


def test_endings_outlive_a_flood_of_places(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_NEWS", 50)
    outbox.add(GROUP, finished("over", 3))
    for position in range(1_000):
        outbox.add(GROUP, RequestWaiting(f"w{position % 5}", position, 5))
    batch = outbox.take()
    assert len(batch) <= 51
    assert batch[0] == (GROUP, finished("over", 3))
    assert batch[-1] == (GROUP, RequestWaiting("w4", 999, 5))
