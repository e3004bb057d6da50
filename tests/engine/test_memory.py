"""How many slots of which length the memory gives."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from inference.engine.memory import (
    LONGEST_BY_DEFAULT,
    SHORTEST,
    MemoryGauge,
    SlotPlan,
    free_bytes,
    plan_slots,
)


def test_the_gauge_tells_of_this_process_and_looks_once_a_second_at_most() -> None:
    now = 0.0
    gauge = MemoryGauge(torch.device("cpu"), clock=lambda: now)
    before, total = gauge.read()
    held = torch.ones(40_000_000)
    assert gauge.read() == (before, total)
    now = 1.0
    after, _ = gauge.read()
    assert 100_000_000 < after - before < total
    assert held.numel() == 40_000_000


def test_all_that_is_wanted_where_there_is_room() -> None:
    assert plan_slots(1000, 10**9, 16, 4096, fixed=False) == SlotPlan(16, 4096)


def test_the_length_gives_way_before_the_places() -> None:
    free = 16 * 8192 * 1000
    assert plan_slots(1000, free, 16, 32768, fixed=False) == SlotPlan(16, 8192)


def test_places_give_way_where_a_length_was_asked_for() -> None:
    free = 16 * 8192 * 1000
    assert plan_slots(1000, free, 16, 32768, fixed=True) == SlotPlan(4, 32768)


def test_a_very_long_context_is_cut_unless_it_was_asked_for() -> None:
    assert plan_slots(1, 10**12, 4, 131072, fixed=False).length == LONGEST_BY_DEFAULT
    assert plan_slots(1, 10**12, 4, 131072, fixed=True).length == 131072


@given(
    token_bytes=st.integers(1, 10**6),
    free=st.integers(0, 10**11),
    slots=st.integers(1, 64),
    length=st.integers(64, 10**6),
    fixed=st.booleans(),
)
def test_a_plan_fits_or_is_the_least_there_can_be(
    token_bytes: int, free: int, slots: int, length: int, fixed: bool
) -> None:
    plan = plan_slots(token_bytes, free, slots, length, fixed=fixed)
    assert 1 <= plan.slots <= slots and 1 <= plan.length <= length
    assert plan.slots * plan.length * token_bytes <= free or plan.slots == 1
    assert fixed is False or plan.length == length
    assert plan.length >= min(length, SHORTEST)


def test_a_cpu_gives_part_of_its_memory() -> None:
    assert 0 < free_bytes(torch.device("cpu")) < 2**50
