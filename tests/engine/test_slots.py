"""Which slot a sequence takes, and what of it need not be computed again."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from inference.engine.slots import Placement, Slot, SlotTable, common_prefix

TOKENS = st.lists(st.integers(0, 2), max_size=30)
SYSTEM = list(range(100, 140))


def taken(table: SlotTable, token_ids: list[int], scope: str = "") -> Placement:
    placement = table.take(token_ids, scope)
    assert placement is not None
    return placement


def finished(table: SlotTable, token_ids: list[int], scope: str = "") -> Slot:
    """A conversation that was answered: all but the last token are in memory."""
    slot = taken(table, token_ids, scope).slot
    slot.computed = len(token_ids) - 1
    table.release(slot)
    return slot


@given(first=TOKENS, second=TOKENS, limit=st.integers(0, 40))
def test_the_common_prefix_is_counted_as_one_would_by_hand(
    first: list[int], second: list[int], limit: int
) -> None:
    expected = 0
    for one, other in zip(first, second, strict=False):
        if one != other or expected == limit:
            break
        expected += 1
    assert common_prefix(first, second, limit) == expected


def test_the_next_turn_takes_the_slot_of_its_conversation() -> None:
    table = SlotTable(3)
    other = finished(table, [7, 8, 9] * 10)
    own = finished(table, [1, 2, 3, 4, 5, 6])
    again = taken(table, [1, 2, 3, 4, 5, 6, 7, 8])
    assert (again.slot, again.cached, again.copy_from) == (own, 5, None)
    assert other.computed == 29


def test_the_last_token_is_always_left_to_compute() -> None:
    table = SlotTable(1)
    finished(table, [1, 2, 3, 4, 5])
    assert taken(table, [1, 2, 3, 4]).cached == 3


def test_a_shared_system_prompt_is_copied_and_the_other_conversation_stays_warm() -> None:
    table = SlotTable(2)
    first = finished(table, [*SYSTEM, *range(200)])
    second = taken(table, [*SYSTEM, 999, 998])
    assert second.slot is not first
    assert (second.cached, second.copy_from) == (len(SYSTEM), first)
    assert first.computed == len(SYSTEM) + 199


def test_a_system_prompt_is_copied_from_a_conversation_that_runs() -> None:
    table = SlotTable(2)
    running = taken(table, [*SYSTEM, 1]).slot
    running.computed = len(SYSTEM)
    second = taken(table, [*SYSTEM, 2])
    assert second.slot is not running
    assert (second.cached, second.copy_from) == (len(SYSTEM), running)


def test_the_least_recently_used_conversation_makes_room() -> None:
    table = SlotTable(3)
    slots = [finished(table, [n] * 20) for n in (1, 2, 3)]
    again = taken(table, [1] * 25)
    table.release(again.slot)
    assert again.slot is slots[0]
    assert taken(table, [9] * 5).slot is slots[1]
    assert taken(table, [8] * 5).slot is slots[2]


def test_an_empty_slot_is_taken_before_a_warm_one() -> None:
    table = SlotTable(2)
    warm = finished(table, [1] * 20)
    assert taken(table, [2] * 20).slot is not warm


def test_no_slot_while_all_are_busy() -> None:
    table = SlotTable(2)
    first = taken(table, [1]).slot
    taken(table, [2])
    assert table.take([3], "") is None
    table.release(first)
    assert taken(table, [3]).slot is first


def test_other_scopes_share_nothing() -> None:
    table = SlotTable(3)
    finished(table, [*SYSTEM, 1, 2], scope="anna")
    assert taken(table, [*SYSTEM, 1, 2, 3], scope="ben").cached == 0
    assert taken(table, [*SYSTEM, 1, 2, 3], scope="anna").cached == len(SYSTEM) + 1


def test_what_was_never_computed_is_not_kept() -> None:
    """A request that was aborted in the middle of its prompt."""
    table = SlotTable(1)
    slot = taken(table, list(range(50))).slot
    slot.computed = 10
    table.release(slot)
    assert taken(table, list(range(50))).cached == 10


def test_a_forgotten_slot_gives_nothing() -> None:
    table = SlotTable(1)
    slot = finished(table, [1] * 20)
    table.forget(slot)
    assert taken(table, [1] * 20).cached == 0
