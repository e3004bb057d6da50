"""The packed runner: faults that stay with their request, and nothing left of who is gone."""

from __future__ import annotations

import gc
import os
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from inference.engine import memory
from inference.engine.choice import choose_runner
from inference.engine.errors import RequestError
from inference.engine.packed import PackedRunner
from tests.engine.core import CoreInHand, a_request
from tests.engine.models import VOCABULARY, a_model
from tests.engine.test_parity import generated

BAD = 33
SAMPLED: dict[str, Any] = {
    "temperature": 0.9,
    "top_p": 0.95,
    "frequency_penalty": 0.3,
    "repetition_penalty": 1.1,
    "seed": 99,
    "max_tokens": 16,
}
LONG = [3 + (i * 37) % 300 for i in range(40)]


@pytest.fixture
def model() -> Any:
    return a_model("llama")


def a_runner(model: Any, *, recorded: bool = True, **options: Any) -> PackedRunner:
    """Without a recording every step goes through the model's modules, and their hooks."""
    wanted = {"slots": 4, "max_model_len": 128, "fixed_length": True, "most_prefill": 16}
    runner = choose_runner(model, kind="packed", **{**wanted, **options}).runner
    assert isinstance(runner, PackedRunner)
    assert runner._recorded is not None
    if not recorded:
        runner._recorded = None
    return runner


def alone(model: Any, request: Any) -> list[int]:
    hand = CoreInHand(a_runner(deepcopy(model)))
    hand.submit(request)
    hand.run()
    return hand.tokens()[request.id]


def spoil(model: Any, value: float = float("nan")) -> None:
    """The token BAD has no numbers from now on: a damaged weight."""
    with torch.no_grad():
        model.get_input_embeddings().weight[BAD] = value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_row_without_numbers_fails_alone_and_poisons_nothing(model: Any, value: float) -> None:
    expected = alone(model, a_request("it", LONG, **SAMPLED))
    after = alone(model, a_request("after", [8, 7], **SAMPLED))
    hand = CoreInHand(a_runner(model, slots=2))
    spoil(model, value)
    hand.submit(a_request("it", LONG, **SAMPLED), a_request("bad", [4, BAD, 5, 6] * 6))
    hand.run()
    assert hand.ends() == {"it": "length", "bad": "bad_logits"}
    assert hand.tokens() == {"it": expected}
    # In the slot of the bad one, beside a longer one whose padding reaches over it.
    hand.submit(a_request("it2", LONG, **SAMPLED), a_request("after", [8, 7], **SAMPLED))
    hand.run()
    assert hand.tokens()["it2"] == expected
    assert hand.tokens()["after"] == after


def test_a_fault_in_the_middle_of_an_answer_leaves_the_others_alone(model: Any) -> None:
    expected = alone(model, a_request("it", LONG, **SAMPLED))
    hand = CoreInHand(a_runner(model))
    spoil(model)
    bias: dict[str, Any] = {"logit_bias": {BAD: 100.0}}
    hand.submit(a_request("it", LONG, **SAMPLED), a_request("bad", [4, 5], **bias))
    hand.run()
    assert hand.ends() == {"it": "length", "bad": "bad_logits"}
    assert hand.tokens() == {"it": expected, "bad": [BAD]}


def test_what_an_aborted_prompt_left_poisons_nobody(model: Any) -> None:
    """Its logits were never looked at; its slot must not be trusted."""
    expected = alone(model, a_request("it", LONG, **SAMPLED))
    after = alone(model, a_request("after", [8, 7], **SAMPLED))
    hand = CoreInHand(a_runner(model, slots=2))
    spoil(model)
    hand.submit(a_request("bad", [4, BAD, *range(40, 80)]))
    hand.step()
    hand.abort("bad")
    hand.step()
    hand.submit(a_request("it", LONG, **SAMPLED), a_request("after", [8, 7], **SAMPLED))
    hand.run()
    assert hand.tokens() == {"it": expected, "after": after}


class Memory:
    """Runs out whenever ``full`` says so of the token ids of a step."""

    def __init__(self, model: Any, full: Any) -> None:
        self.failures = 0

        def hook(module: Any, args: Any, kwargs: Any) -> None:
            if full(kwargs["input_ids"][0].tolist()):
                self.failures += 1
                raise torch.OutOfMemoryError("full")

        model.register_forward_pre_hook(hook, with_kwargs=True)


def test_a_prompt_too_large_for_the_memory_at_once_is_read_in_smaller_chunks(model: Any) -> None:
    expected = alone(model, a_request("it", LONG, **SAMPLED))
    hand = CoreInHand(a_runner(model, recorded=False))
    memory_of = Memory(model, lambda ids: len(ids) > 5)
    hand.submit(a_request("it", LONG, **SAMPLED))
    hand.run()
    assert memory_of.failures > 1  # halved more than once
    assert hand.tokens() == {"it": expected}


def test_out_of_memory_fails_the_newest_prompt_only(model: Any) -> None:
    expected = alone(model, a_request("it", LONG, **SAMPLED))
    hand = CoreInHand(a_runner(model, recorded=False))
    hand.submit(a_request("it", LONG, **SAMPLED))
    hand.step()
    Memory(model, lambda ids: BAD in ids)
    hand.submit(a_request("old", [5, 6, 7]), a_request("new", [BAD] * 12))
    hand.run()
    assert hand.ends() == {"it": "length", "old": "length", "new": "out_of_memory"}
    assert hand.tokens()["it"] == expected


def test_out_of_memory_without_any_prompt_ends_the_engine(model: Any) -> None:
    """There is nothing to give up: the process starts again and its requests go on."""
    hand = CoreInHand(a_runner(model, recorded=False))
    hand.submit(a_request("a", [5, 6], max_tokens=50))
    hand.step()
    hand.step()
    Memory(model, lambda ids: True)
    with pytest.raises(torch.OutOfMemoryError):
        hand.step()


def test_any_other_error_of_a_step_ends_the_engine(model: Any) -> None:
    hand = CoreInHand(a_runner(model, recorded=False))
    hand.submit(a_request("a", [5, 6]))

    def hook(*args: Any) -> None:
        raise RuntimeError("a device-side assert")

    model.register_forward_pre_hook(hook)
    with pytest.raises(RuntimeError, match="device-side"):
        hand.step()


def test_memory_errors_are_told_from_others() -> None:
    assert memory.is_out_of_memory(torch.OutOfMemoryError("x"))
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    assert memory.is_out_of_memory(caught.value)
    assert not memory.is_out_of_memory(RuntimeError("shape mismatch"))
    with pytest.raises(RuntimeError) as recorded:
        torch.jit.trace(lambda x: x.expand(2**45, 2).contiguous(), torch.zeros(1, 2))
    assert memory.is_out_of_memory(recorded.value)


@pytest.mark.parametrize("token", [-1, VOCABULARY, 2**40])
def test_a_token_the_model_does_not_know_is_refused(model: Any, token: int) -> None:
    with pytest.raises(RequestError, match="does not know"):
        a_runner(model).add(a_request("a", [1, token]))


def test_a_token_to_bias_that_is_not_there_fails_that_request_only(model: Any) -> None:
    hand = CoreInHand(a_runner(model))
    hand.submit(a_request("bad", logit_bias={VOCABULARY: 1.0}), a_request("it"))
    hand.run()
    assert hand.ends() == {"bad": "invalid", "it": "length"}


def test_the_second_turn_computes_only_what_is_new(model: Any) -> None:
    expected = None
    for scope, kept in (("", 47), ("other", 0)):
        hand = CoreInHand(a_runner(deepcopy(model)))
        hand.submit(a_request("first", LONG, max_tokens=8))
        hand.run()
        turn = [*LONG, *hand.tokens()["first"], 9, 8, 7]
        hand.submit(a_request("second", turn, max_tokens=8, scope=scope))
        hand.run()
        read = [report.prefill_tokens for report in hand.reports]
        assert sum(read) == len(LONG) + len(turn) - kept
        assert sum(report.cached_tokens for report in hand.reports) == kept
        expected = expected or hand.tokens()["second"]
        assert hand.tokens()["second"] == expected == generated(model, turn, 8)


def test_reports_say_what_a_step_did(model: Any) -> None:
    hand = CoreInHand(a_runner(model))
    hand.submit(a_request("a", LONG, max_tokens=3), a_request("b", [5, 6], max_tokens=3))
    hand.run()
    reports = hand.reports
    assert [r.prefill_tokens for r in reports[:3]] == [16, 16, 10]
    assert [r.output_tokens for r in reports] == [0, 0, 2, 2, 2]
    assert reports[0].running == 2
    assert sum(r.admitted_tokens for r in reports) == 42
    assert all(r.forward_s > 0 and r.plan_s > 0 for r in reports)
    assert reports[2].sample_s > 0 and reports[2].emit_s >= 0
    assert reports[-1].kv_tokens == 42 + 4 and reports[-1].kv_capacity == 4 * 128


def random_traffic(hand: CoreInHand, total: int, random: Random) -> None:
    """Submits and aborts at random moments: in waiting, in the prompt, in the answer."""
    alive: list[str] = []
    for serial in range(total):
        prompt = [random.randint(3, 300) for _ in range(random.randint(1, 60))]
        params = SAMPLED if random.random() < 0.3 else {"max_tokens": random.randint(1, 20)}
        hand.submit(a_request(str(serial), prompt, **params))
        alive.append(str(serial))
        if random.random() < 0.7:
            hand.abort(alive.pop(random.randrange(len(alive))))
        if len(alive) > 6 or random.random() < 0.3:
            hand.step()
            alive = [name for name in alive if name in hand._unended]
    hand.run()


def check_nothing_is_left(model: Any, total: int, megabytes: float) -> None:
    runner = a_runner(model)
    hand = CoreInHand(runner)
    random_traffic(hand, 300, Random(1))
    hand.batches.clear()
    gc.collect()
    before = resident_megabytes()
    for part in range(total // 250):
        random_traffic(hand, 250, Random(part))
        hand.batches.clear()
    gc.collect()
    assert len(runner._scheduler) == 0
    assert not any(slot.busy for slot in runner._scheduler._slots.slots)
    assert runner._sampler._state.rows == {} and runner._sound == set()
    assert hand.core._running == {}
    assert resident_megabytes() - before < megabytes


def resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_thousand_submits_and_aborts_leave_nothing(model: Any) -> None:
    check_nothing_is_left(model, 1000, megabytes=8)


@pytest.mark.long
def test_ten_thousand_submits_and_aborts_leave_nothing(model: Any) -> None:
    check_nothing_is_left(model, 10_000, megabytes=8)
