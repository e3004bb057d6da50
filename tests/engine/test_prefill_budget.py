"""How much of the prompts a step reads beside those who are being answered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine.prefill_budget import (
    BETWEEN_PAUSES,
    GROWTH,
    PAUSE,
    SHRINKING,
    PrefillBudget,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_budget(slowdown: float = 2.0) -> tuple[PrefillBudget, Clock]:
    clock = Clock()
    return PrefillBudget(512, 4, slowdown, clock), clock


def test_prompts_alone_are_read_in_the_largest_chunks() -> None:
    budget, _ = a_budget()
    assert budget.tokens(0, 10_000) == 512


def test_beside_others_it_begins_carefully() -> None:
    budget, _ = a_budget()
    assert budget.tokens(3, 10_000) == 4


def test_a_short_prompt_is_read_at_once() -> None:
    budget, _ = a_budget()
    budget.record(0, 512, 0.1)
    assert budget.tokens(3, 200) == 200


def test_a_prompt_that_would_be_a_long_pause_is_read_in_small_chunks() -> None:
    budget, _ = a_budget()
    budget.record(0, 512, 512 * 0.002)
    longest = int(PAUSE / 0.002)
    assert budget.tokens(3, longest - 1) == longest - 1
    budget, _ = a_budget()
    budget.record(0, 512, 512 * 0.002)
    assert budget.tokens(3, longest + 10) == 4


def test_pauses_do_not_follow_each_other() -> None:
    budget, clock = a_budget()
    budget.record(0, 512, 0.1)
    assert budget.tokens(3, 100) == 100
    clock.now += BETWEEN_PAUSES * 0.9
    assert budget.tokens(3, 100) == 4
    clock.now += BETWEEN_PAUSES * 0.2
    assert budget.tokens(3, 100) == 100


def test_no_pause_is_spent_where_nothing_is_unread() -> None:
    budget, _ = a_budget()
    budget.record(0, 512, 0.1)
    assert budget.tokens(3, 0) == 4
    assert budget.tokens(3, 100) == 100


@settings(deadline=None)
@given(costs=st.lists(st.floats(1e-4, 1e-2), min_size=20, max_size=60), decode=st.floats(2e-3, 0.1))
def test_it_settles_where_a_step_is_as_long_as_it_may_be(costs: list[float], decode: float) -> None:
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, decode)
    for cost in [*costs, *[costs[-1]] * 80]:
        tokens = budget.tokens(3, 10_000)
        assert 4 <= tokens <= 512
        budget.record(3, tokens, decode + cost * tokens)
    ideal = min(512, max(4, decode / costs[-1]))
    for _ in range(20):
        tokens = budget.tokens(3, 10_000)
        assert 0.8 * ideal - 1 <= tokens <= (1 + GROWTH) * ideal + 1
        budget.record(3, tokens, decode + costs[-1] * tokens)


def test_what_every_chunk_costs_whatever_its_size_does_not_keep_chunks_small() -> None:
    """Reading the memory of a long prompt takes the same time for one new token and for many."""
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, 0.010)
    for _ in range(80):
        tokens = budget.tokens(3, 10_000)
        budget.record(3, tokens, 0.010 + 0.008 + 0.0001 * tokens)
    assert 16 <= budget.tokens(3, 10_000) <= 23


def test_chunks_shrink_at_once_and_grow_step_by_step() -> None:
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, 0.01)
    for _ in range(60):
        budget.record(3, budget.tokens(3, 10_000), 0.012)
    large = budget.tokens(3, 10_000)
    budget.record(3, large, 0.1)
    small = budget.tokens(3, 10_000)
    assert small <= large * SHRINKING + 1
    budget.record(3, small, 0.012)
    assert small < budget.tokens(3, 10_000) <= small * (1 + GROWTH) + 1


def test_a_pause_says_nothing_of_chunks() -> None:
    budget, _ = a_budget()
    budget.record(0, 512, 0.1)
    budget.record(3, 0, 0.01)
    budget.record(3, budget.tokens(3, 300), 0.06)
    assert budget.tokens(3, 10_000) == 4
