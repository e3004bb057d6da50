"""What each step computes: one token for everybody who is answered, prompts with what is left.

Pure Python over token counts. Knows slots as numbers with tokens in them; neither tensors nor
models, nor when a sequence ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from inference.engine.prefill_budget import PrefillBudget
from inference.engine.requests import EngineRequest
from inference.engine.slots import Slot, SlotTable

# A prompt waits for one that is being read if that saves it at least this many tokens.
WORTH_WAITING = 64
# The end of a prompt, whose tokens are the dearest, may be a pause after this many chunks of it.
RARE = 100


@dataclass(eq=False)
class Sequence:
    """A request on its way: all its tokens, and the slot that holds the first of them."""

    request: EngineRequest
    token_ids: list[int] = field(init=False)
    slot: Slot | None = None
    failed: bool = False
    chunks: int = 0  # in how many its prompt has been read so far

    def __post_init__(self) -> None:
        self.token_ids = [*self.request.prompt_token_ids, *self.request.output_token_ids]

    @property
    def id(self) -> str:
        return self.request.id

    @property
    def computed(self) -> int:
        return self.slot.computed if self.slot else 0

    @property
    def remaining(self) -> int:
        """Tokens the model has not seen; exactly one while it is being answered."""
        return len(self.token_ids) - self.computed


@dataclass(frozen=True)
class Chunk:
    """``count`` tokens of a sequence from ``start`` on; ``last`` if its next token comes of it."""

    sequence: Sequence
    slot: Slot
    start: int
    count: int

    @property
    def token_ids(self) -> list[int]:
        return self.sequence.token_ids[self.start : self.start + self.count]

    @property
    def last(self) -> bool:
        return self.start + self.count == len(self.sequence.token_ids)


@dataclass(frozen=True)
class Copy:
    """The first ``count`` tokens of a slot are needed in another one as well."""

    source: Slot
    target: Slot
    count: int


@dataclass(frozen=True)
class Admission:
    """A sequence that got its slot in this step."""

    sequence: Sequence
    slot: Slot
    cached: int

    @property
    def prompt_tokens(self) -> int:
        return len(self.sequence.request.prompt_token_ids)


@dataclass(frozen=True)
class StepPlan:
    """``decode`` are chunks of one token, in the order of their slots; ``prefill`` in order of
    arrival."""

    decode: list[Chunk]
    prefill: list[Chunk]
    admitted: list[Admission]
    copies: list[Copy]

    @property
    def chunks(self) -> list[Chunk]:
        """As they lie in the step: both kinds in the order of their slots."""
        return [*self.decode, *sorted(self.prefill, key=lambda chunk: chunk.slot.index)]

    @property
    def prefill_tokens(self) -> int:
        return sum(chunk.count for chunk in self.prefill)


@dataclass(frozen=True)
class Removed:
    """The slot that a sequence had, and how many of its tokens were computed."""

    slot: Slot
    computed: int


class Scheduler:
    def __init__(self, slots: SlotTable, budget: PrefillBudget) -> None:
        self._slots = slots
        self._budget = budget
        self._sequences: dict[str, Sequence] = {}  # in the order of their arrival

    def __len__(self) -> int:
        return len(self._sequences)

    def add(self, request: EngineRequest) -> None:
        self._sequences[request.id] = Sequence(request)

    def fail(self, request_id: str) -> None:
        """It is in no further step; its owner removes it."""
        self._sequences[request_id].failed = True

    def held_tokens(self) -> int:
        """Computed tokens in memory, warm ones included."""
        return self._slots.held_tokens()

    @property
    def least_prefill(self) -> int:
        """Prompt tokens of a step that is as small as it gets."""
        return self._budget.least

    def remove(self, request_id: str, *, keep: bool = True) -> Removed | None:
        """None if it never had a slot; without ``keep`` nothing in that is used again."""
        slot = self._sequences.pop(request_id).slot
        if slot is None:
            return None
        removed = Removed(slot, slot.computed)
        self._slots.release(slot)
        if not keep:
            self._slots.forget(slot)
        return removed

    def plan(self, most: int | None = None) -> StepPlan:
        """The next step; at most ``most`` prompt tokens where the runner says so."""
        alive = [one for one in self._sequences.values() if not one.failed]
        decode = [_chunk(one, one.slot, 1) for one in alive if one.slot and one.remaining == 1]
        decode.sort(key=lambda chunk: chunk.slot.index)
        plan = StepPlan(decode, [], [], [])
        reading = [one for one in alive if not (one.slot and one.remaining == 1)]
        chunk = self._budget.chunk(len(decode))
        if decode and most is None:
            self._plan_pause(plan, reading, chunk)
        if not plan.prefill:
            self._plan_prefill(plan, reading, chunk if most is None else min(chunk, most))
        return plan

    def commit(self, plan: StepPlan) -> None:
        """The model has seen the step's tokens."""
        for chunk in plan.chunks:
            chunk.slot.computed = chunk.start + chunk.count
        for chunk in plan.prefill:
            chunk.sequence.chunks += 1

    def record(self, plan: StepPlan, seconds: float) -> None:
        """How long the step took, so that the next one can be of the right size."""
        self._budget.record(len(plan.decode), plan.prefill_tokens, seconds)

    def _plan_pause(self, plan: StepPlan, reading: list[Sequence], chunk: int) -> None:
        """Reads at once what a pause is long enough for, if that is more than a chunk.

        Newcomers, or the end of a long prompt if that is one of very many steps.
        """
        left = self._budget.tokens_of_a_pause()
        at_once = self._newcomers(reading, left)
        if not at_once:
            at_once = [one for one in reading[:1] if one.chunks >= RARE and one.remaining <= left]
        total = sum(one.remaining for one in at_once)
        if total > chunk:
            self._plan_prefill(plan, at_once, total)
        if plan.prefill:
            self._budget.pause()

    def _newcomers(self, reading: list[Sequence], left: int) -> list[Sequence]:
        """Those without a slot so far whose whole prompts fit into ``left`` tokens together."""
        found: list[Sequence] = []
        free = self._slots.free()
        for sequence in reading:
            if sequence.slot is None and len(found) < free and sequence.remaining <= left:
                found.append(sequence)
                left -= sequence.remaining
        return found

    def _plan_prefill(self, plan: StepPlan, reading: list[Sequence], left: int) -> None:
        for sequence in reading:
            if left < 1:
                return
            slot = sequence.slot or self._admit(sequence, plan)
            if slot is None:
                continue
            chunk = _chunk(sequence, slot, min(left, sequence.remaining))
            plan.prefill.append(chunk)
            left -= chunk.count

    def _admit(self, sequence: Sequence, plan: StepPlan) -> Slot | None:
        token_ids, scope = sequence.token_ids, sequence.request.scope
        if self._is_worth_waiting(token_ids, scope):
            return None
        placement = self._slots.take(token_ids, scope)
        if placement is None:
            return None
        sequence.slot = placement.slot
        plan.admitted.append(Admission(sequence, placement.slot, placement.cached))
        if placement.copy_from is not None:
            plan.copies.append(Copy(placement.copy_from, placement.slot, placement.cached))
        return placement.slot

    def _is_worth_waiting(self, token_ids: list[int], scope: str) -> bool:
        """True while another prompt with the same beginning is being read."""
        coming = min(self._slots.coming(token_ids, scope), len(token_ids) - 1)
        return coming >= self._slots.ready(token_ids, scope) + WORTH_WAITING


def _chunk(sequence: Sequence, slot: Slot, count: int) -> Chunk:
    return Chunk(sequence, slot, slot.computed, count)
