"""Which slot holds whose tokens: which one a sequence takes, and what of it can be kept.

Pure bookkeeping over token ids; the memory behind a slot is ``kv_cache``'s. A slot whose sequence
is gone stays *warm*: the next turn of that conversation begins where its tokens end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class Slot:
    """``token_ids`` is its sequence's own, growing list; the first ``computed`` are in memory."""

    index: int
    token_ids: Sequence[int] = ()
    computed: int = 0
    scope: str = ""
    busy: bool = False
    last_used: int = 0

    def shared(self, token_ids: Sequence[int], scope: str) -> int:
        """How many of its computed tokens begin these as well."""
        if scope != self.scope:
            return 0
        return common_prefix(self.token_ids, token_ids, self.computed)


@dataclass(frozen=True)
class Placement:
    """``cached`` tokens need no computing; they are copied first where ``copy_from`` is set."""

    slot: Slot
    cached: int
    copy_from: Slot | None = None


@dataclass
class SlotTable:
    count: int
    slots: list[Slot] = field(init=False)
    _clock: int = 0

    def __post_init__(self) -> None:
        self.slots = [Slot(index) for index in range(self.count)]

    def take(self, token_ids: Sequence[int], scope: str) -> Placement | None:
        """The best free slot for a sequence, or None while all are busy.

        The last token is always left to compute: its logits are what comes next. Sequences of
        different scopes never share.
        """
        free = [slot for slot in self.slots if not slot.busy]
        if not free:
            return None
        placement = self._place(token_ids, scope, free)
        slot = placement.slot
        slot.token_ids, slot.computed, slot.scope = token_ids, placement.cached, scope
        slot.busy = True
        self._touch(slot)
        return placement

    def release(self, slot: Slot) -> None:
        """Its tokens stay for the next turn."""
        slot.busy = False
        slot.token_ids = list(slot.token_ids[: slot.computed])
        self._touch(slot)

    def forget(self, slot: Slot) -> None:
        """Nothing in it may be used again."""
        slot.token_ids, slot.computed = (), 0

    def ready(self, token_ids: Sequence[int], scope: str) -> int:
        """The longest prefix of these tokens that any slot has in memory."""
        return max(slot.shared(token_ids, scope) for slot in self.slots)

    def coming(self, token_ids: Sequence[int], scope: str) -> int:
        """The longest prefix of these tokens that a running sequence has, or is about to have."""
        return max(
            (
                common_prefix(slot.token_ids, token_ids, len(slot.token_ids))
                for slot in self._running()
                if slot.scope == scope
            ),
            default=0,
        )

    def free(self) -> int:
        return sum(not slot.busy for slot in self.slots)

    def held_tokens(self) -> int:
        return sum(slot.computed for slot in self.slots)

    def _running(self) -> Iterator[Slot]:
        return (slot for slot in self.slots if slot.busy)

    def _place(self, token_ids: Sequence[int], scope: str, free: list[Slot]) -> Placement:
        wanted = token_ids[: len(token_ids) - 1]
        best = max(self.slots, key=lambda slot: (slot.shared(wanted, scope), not slot.busy))
        cached = best.shared(wanted, scope)
        # A conversation that goes on keeps nearly all of its slot. One that shares little (a
        # system prompt) takes a copy, so that the other conversation stays warm.
        if cached and not best.busy and 2 * cached >= best.computed:
            return Placement(best, cached)
        oldest = min(free, key=lambda slot: (slot.computed > 0, slot.last_used))
        copy_from = best if cached and best is not oldest else None
        return Placement(oldest, cached, copy_from)

    def _touch(self, slot: Slot) -> None:
        self._clock += 1
        slot.last_used = self._clock


def common_prefix(first: Sequence[int], second: Sequence[int], limit: int) -> int:
    """How many leading tokens are equal, at most ``limit``; halving, so that lists compare in C."""
    high = min(len(first), len(second), limit)
    low = 0
    while low < high:
        middle = (low + high + 1) // 2
        if first[low:middle] == second[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
