"""What a socket may have on its way: counted by bytes sent and words of what came."""

import pytest

from chatsite.chat.send_window import SendWindow


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def window(clock: Clock) -> SendWindow:
    return SendWindow(100, clock)


def test_it_is_full_at_its_limit_and_open_again_after_an_ack(window: SendWindow) -> None:
    window.sent("r", 10, 60)
    assert window.has_room
    window.sent("r", 20, 60)
    assert not window.has_room
    window.acked("r", 10)
    assert window.has_room


def test_an_ack_confirms_whatever_was_sent_before(window: SendWindow) -> None:
    for request, end in [("a", 10), ("b", 5), ("a", 20), ("b", 9)]:
        window.sent(request, end, 30)
    window.acked("a", 20)
    window.sent("c", 1, 60)
    assert window.has_room  # 30 of b, 60 of c
    window.sent("c", 2, 10)
    assert not window.has_room


@pytest.mark.parametrize("ack", [("other", 10), ("r", 9), ("r", 0)])
def test_an_ack_of_nothing_that_was_sent_confirms_nothing(
    window: SendWindow, ack: tuple[str, int]
) -> None:
    window.sent("r", 10, 100)
    window.acked(*ack)
    assert not window.has_room


def test_an_ack_beyond_all_confirms_the_request(window: SendWindow) -> None:
    window.sent("r", 10, 100)
    window.acked("r", 1_000)
    assert window.has_room


def test_a_repeated_piece_is_confirmed_by_its_own_ack(window: SendWindow) -> None:
    window.sent("r", 100, 60)
    window.sent("r", 50, 60)  # sent again on request, after later text
    window.acked("r", 50)
    window.sent("r", 101, 99)
    assert window.has_room  # both are confirmed: 99 remain


def test_it_knows_for_how_long_nothing_was_read(window: SendWindow, clock: Clock) -> None:
    window.sent("r", 1, 50)
    clock.now += 60
    assert window.seconds_stalled() == 0  # not full: nobody waits
    for end in (2, 3, 4):
        window.sent("r", end, 50)
    clock.now += 20
    window.acked("r", 1)
    assert window.seconds_stalled() == 0
    clock.now += 7
    assert window.seconds_stalled() == 7
    window.acked("r", 4)
    assert window.seconds_stalled() == 0
