"""Positions and estimates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.queue import places
from inference.queue.claiming import claim
from inference.queue.places import eta
from tests.inference.build import a_policy, a_request, a_worker


@pytest.mark.django_db
def test_positions_count_from_one_in_the_order_of_claims() -> None:
    a_policy(max_running=1, max_waiting=10)
    worker = a_worker()
    requests = [a_request() for _ in range(4)]
    told = {place.public_id: place.position for place in places()}
    assert [told[str(one.public_id)] for one in requests] == [1, 2, 3, 4]
    claim(worker, 0)
    told = {place.public_id: place.position for place in places()}
    assert told == {str(one.public_id): at for at, one in enumerate(requests[1:], start=1)}


@pytest.mark.django_db
def test_nobody_waits_no_places() -> None:
    a_policy(max_running=1, max_waiting=1)
    assert places() == []


def test_no_estimate_without_places_or_experience() -> None:
    assert eta(1, 0, [5.0] * 10) is None
    assert eta(1, 4, [5.0]) is None


service = st.lists(st.floats(0.1, 600), min_size=3, max_size=20)


@given(position=st.integers(1, 500), running=st.integers(1, 64), times=service)
def test_an_estimate_is_a_range_that_grows_with_the_position(
    position: int, running: int, times: list[float]
) -> None:
    here, behind = eta(position, running, times), eta(position + 1, running, times)
    assert here and behind
    assert 0 <= here[0] <= here[1] and here[1] >= 1
    assert here[0] <= behind[0] and here[1] <= behind[1]
