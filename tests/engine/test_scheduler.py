"""What a step computes, by the scheduler alone: fairness, chunks, waiting, sharing."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from inference.engine.prefill_budget import PrefillBudget
from inference.engine.scheduler import RARE, WORTH_WAITING, Scheduler, StepPlan
from inference.engine.slots import SlotTable
from tests.engine.core import a_request

SYSTEM = list(range(1000, 1000 + WORTH_WAITING))


class Bench:
    """A scheduler, and a model that answers 7 to everything."""

    def __init__(self, slots: int = 2, most: int = 8, least: int = 2) -> None:
        self.table = SlotTable(slots)
        self.scheduler = Scheduler(self.table, PrefillBudget(most, least))
        self.made: dict[str, int] = {}

    def add(self, name: str, prompt: list[int], **options: Any) -> None:
        self.scheduler.add(a_request(name, prompt, **options))
        self.made[name] = 0

    def step(self) -> StepPlan:
        plan = self.scheduler.plan()
        self.scheduler.commit(plan)
        for chunk in plan.chunks:
            if chunk.last:
                chunk.sequence.token_ids.append(7)
                self.made[chunk.sequence.id] += 1
        return plan

    def remove(self, name: str) -> None:
        self.scheduler.remove(name)
        del self.made[name]


def test_who_is_answered_gets_a_token_in_every_step_while_a_long_prompt_is_read() -> None:
    bench = Bench()
    bench.add("short", [1, 2])
    bench.step()
    bench.add("long", list(range(100)))
    for _ in range(20):
        plan = bench.step()
        assert [chunk.sequence.id for chunk in plan.decode] == ["short"]
        assert plan.prefill_tokens <= 8
    assert bench.made["short"] == 21


def test_a_long_prompt_is_read_in_chunks_and_answered_after_the_last() -> None:
    bench = Bench(most=8)
    bench.add("a", list(range(20)))
    sizes = [[chunk.count for chunk in bench.step().chunks] for _ in range(4)]
    assert sizes == [[8], [8], [4], [1]]
    assert bench.made["a"] == 2


def test_prompts_are_read_in_the_order_of_arrival() -> None:
    bench = Bench(slots=3, most=8)
    for name in "abc":
        bench.add(name, [ord(name)] * 6)
    first = bench.step()
    assert [(c.sequence.id, c.count) for c in first.prefill] == [("a", 6), ("b", 2)]
    second = bench.step()
    assert second.prefill[0].sequence.id == "b"


def test_a_short_prompt_behind_a_long_one_is_read_at_once_and_once_a_second_only() -> None:
    now = 100.0
    budget = PrefillBudget(512, 4, clock=lambda: now)
    scheduler = Scheduler(SlotTable(8), budget)
    bench = Bench()
    bench.scheduler = scheduler
    bench.add("talking", [1, 2])
    bench.step()
    budget.record(0, 512, 0.1)
    bench.add("long", list(range(5000)))
    assert [(c.sequence.id, c.count) for c in bench.step().prefill] == [("long", 4)]
    bench.add("b", [5] * 90)
    bench.add("c", [6] * 30)
    bench.add("another long one", [7] * 600)
    assert [c.sequence.id for c in bench.step().prefill] == ["b", "c"]
    bench.add("d", [8] * 50)
    assert [c.sequence.id for c in bench.step().prefill] == ["long"]
    now += 1.1
    plan = bench.step()
    assert [c.sequence.id for c in plan.prefill] == ["d"]
    assert {c.sequence.id for c in plan.decode} == {"talking", "b", "c"}


def test_the_end_of_a_long_prompt_is_a_pause_only_after_very_many_chunks() -> None:
    now = 100.0
    budget = PrefillBudget(64, 4, clock=lambda: now)
    bench = Bench()
    bench.scheduler = Scheduler(SlotTable(3), budget)
    bench.add("talking", [1, 2])
    bench.step()
    budget.record(0, 64, 0.001)
    bench.add("long", list(range(4 * RARE)))
    assert [bench.step().prefill_tokens for _ in range(RARE)] == [4] * RARE
    bench.add("longer", list(range(1000, 1000 + 4 * RARE + 60)))
    assert [bench.step().prefill_tokens for _ in range(RARE)] == [4] * RARE
    assert bench.step().prefill_tokens == 60
    assert bench.step().prefill_tokens == 0


def test_without_a_free_slot_a_request_waits_for_the_first_to_leave() -> None:
    bench = Bench(slots=1)
    bench.add("a", [1, 2])
    bench.add("b", [3, 4])
    bench.step()
    assert bench.made == {"a": 1, "b": 0}
    bench.remove("a")
    bench.step()
    assert bench.made == {"b": 1}


def test_a_burst_with_one_system_prompt_reads_it_once() -> None:
    bench = Bench(slots=4, most=512)
    for name in "abcd":
        bench.add(name, [*SYSTEM, ord(name)])
    read = 0
    while not all(bench.made.values()):
        read += bench.step().prefill_tokens
    assert read == len(SYSTEM) + 4


def test_nobody_waits_for_a_prompt_of_another_scope_or_of_somebody_who_left() -> None:
    bench = Bench(slots=3, most=16)
    bench.add("a", [*SYSTEM, 1])
    bench.step()
    bench.add("b", [*SYSTEM, 2])
    assert bench.step().admitted == []
    bench.remove("a")
    plan = bench.step()
    assert [one.sequence.id for one in plan.admitted] == ["b"]
    assert plan.admitted[0].cached == 32


def test_a_failed_sequence_is_in_no_further_step() -> None:
    bench = Bench()
    bench.add("a", [1])
    bench.add("b", [2])
    bench.step()
    bench.scheduler.fail("a")
    assert [chunk.sequence.id for chunk in bench.step().chunks] == ["b"]


def test_a_resumed_sequence_reads_its_earlier_output_too() -> None:
    bench = Bench()
    bench.add("a", [1, 2], resume=[3, 4])
    assert bench.step().prefill[0].token_ids == [1, 2, 3, 4]


class AnyTraffic(RuleBasedStateMachine):
    """Requests of any length come, leave and fail at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(slots=3, most=7, least=2)
        self.serial = 0

    @rule(prompt=st.lists(st.integers(0, 1), min_size=1, max_size=80), scope=st.sampled_from("xy"))
    def arrive(self, prompt: list[int], scope: str) -> None:
        self.serial += 1
        self.bench.add(str(self.serial), prompt, scope=scope)

    @precondition(lambda self: self.bench.made)
    @rule(which=st.integers(0, 100), fail=st.booleans())
    def leave(self, which: int, fail: bool) -> None:
        name = sorted(self.bench.made)[which % len(self.bench.made)]
        if fail:
            self.bench.scheduler.fail(name)
        self.bench.remove(name)

    @rule()
    def step(self) -> None:
        before = dict(self.bench.made)
        plan = self.bench.step()
        grown = {name: made - before[name] for name, made in self.bench.made.items()}
        for name, tokens in grown.items():
            assert tokens == 1 if before[name] else tokens in (0, 1)
        assert plan.chunks or not self.bench.made
        for admission in plan.admitted:
            request = admission.sequence.request
            assert admission.cached < len(request.prompt_token_ids)

    @invariant()
    def slots_belong_to_those_who_run(self) -> None:
        busy = [slot for slot in self.bench.table.slots if slot.busy]
        owners = [
            sequence.slot
            for sequence in self.bench.scheduler._sequences.values()
            if sequence.slot is not None
        ]
        assert sorted(map(id, busy)) == sorted(map(id, owners))
        assert all(slot.computed <= len(slot.token_ids) for slot in self.bench.table.slots)


AnyTraffic.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyTraffic = AnyTraffic.TestCase
