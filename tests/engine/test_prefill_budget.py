"""How much of the prompts a step reads beside those who are being answered."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inference.engine.prefill_budget import (
    BETWEEN_PAUSES,
    FIRST,
    GROWTH,
    LONGEST_STEP,
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


def test_the_first_prompt_is_read_carefully_and_the_next_in_the_largest_chunks() -> None:
    budget, _ = a_budget()
    assert budget.chunk(0) == FIRST
    budget.record(0, FIRST, 0.01)
    assert budget.chunk(0) == 512


def test_alone_a_slow_machine_still_hears_commands_every_second() -> None:
    budget, _ = a_budget()
    budget.record(0, FIRST, FIRST * 0.02)
    assert budget.chunk(0) == int(LONGEST_STEP / 0.02)
    budget.record(0, 50, 50 * 10.0)
    assert budget.chunk(0) == 4


def test_beside_others_it_begins_carefully() -> None:
    budget, _ = a_budget()
    assert budget.chunk(3) == 4


def test_a_pause_is_as_long_as_nobody_minds() -> None:
    budget, _ = a_budget()
    assert budget.tokens_of_a_pause() == 0  # nothing is known yet
    budget.record(0, 512, 512 * 0.002)
    assert budget.tokens_of_a_pause() == int(PAUSE / 0.002)
    budget, _ = a_budget()
    budget.record(0, 512, 0.1)
    assert budget.tokens_of_a_pause() == 512


def test_pauses_do_not_follow_each_other() -> None:
    budget, clock = a_budget()
    budget.record(0, 512, 0.1)
    budget.pause()
    clock.now += BETWEEN_PAUSES * 0.9
    assert budget.tokens_of_a_pause() == 0
    clock.now += BETWEEN_PAUSES * 0.2
    assert budget.tokens_of_a_pause() == 512


def test_a_step_that_was_disturbed_is_soon_forgotten() -> None:
    """The first ones of a process are compiled while they run."""
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, 1.0)
    for _ in range(8):
        budget.record(3, 0, 0.01)
    for _ in range(80):
        tokens = budget.chunk(3)
        budget.record(3, tokens, 0.01 + 0.001 * tokens)
    assert budget.chunk(3) <= 20


@settings(deadline=None)
@given(costs=st.lists(st.floats(1e-4, 1e-2), min_size=20, max_size=60), decode=st.floats(2e-3, 0.1))
def test_it_settles_where_a_step_is_as_long_as_it_may_be(costs: list[float], decode: float) -> None:
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, decode)
    for cost in [*costs, *[costs[-1]] * 80]:
        tokens = budget.chunk(3)
        assert 4 <= tokens <= 512
        budget.record(3, tokens, decode + cost * tokens)
    ideal = min(512, max(4, decode / costs[-1]))
    for _ in range(20):
        tokens = budget.chunk(3)
        assert 0.8 * ideal - 1 <= tokens <= (1 + GROWTH) * ideal + 1
        budget.record(3, tokens, decode + costs[-1] * tokens)


def test_what_every_chunk_costs_whatever_its_size_does_not_keep_chunks_small() -> None:
    """Reading the memory of a long prompt takes the same time for one new token and for many."""
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, 0.010)
    for _ in range(80):
        tokens = budget.chunk(3)
        budget.record(3, tokens, 0.010 + 0.008 + 0.0001 * tokens)
    assert 16 <= budget.chunk(3) <= 23


def test_chunks_shrink_at_once_and_grow_step_by_step() -> None:
    budget, _ = a_budget(slowdown=2.0)
    budget.record(3, 0, 0.01)
    for _ in range(60):
        budget.record(3, budget.chunk(3), 0.012)
    large = budget.chunk(3)
    budget.record(3, large, 0.1)
    small = budget.chunk(3)
    assert small <= large * SHRINKING + 1
    budget.record(3, small, 0.012)
    assert small < budget.chunk(3) <= small * (1 + GROWTH) + 1


def test_a_pause_says_nothing_of_chunks() -> None:
    budget, _ = a_budget()
    budget.record(3, 0, 0.01)
    budget.record(3, 300, 0.06)
    assert budget.chunk(3) == 4
