"""A recorded step answers as the model's own modules do, or is not used."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
import torch

from inference.engine import recorded_step
from inference.engine.choice import choose_runner
from inference.engine.packed import PackedRunner
from inference.engine.packed_step import PackedStep
from inference.engine.recorded_step import Trial
from tests.engine.models import VOCABULARY, a_model

RECORDED = (
    *("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gemma3", "phi3", "gpt2"),
    *("gpt_neox", "olmo2", "granite", "smollm3"),
)
WITH_EXPERTS = ("mixtral", "deepseek_v3", "gpt_oss", "qwen3_moe")


def a_runner(model: Any, slots: int = 6) -> PackedRunner:
    runner = choose_runner(model, slots=slots, max_model_len=128, kind="packed").runner
    assert isinstance(runner, PackedRunner)
    return runner


def a_random_step(random: Random, slots: int) -> Trial:
    """Some slots decode, some read a chunk, each somewhere in its memory."""
    order = random.sample(range(slots), random.randint(1, slots))
    decoding = sorted(order[: random.randint(0, len(order))])
    reading = [slot for slot in order if slot not in decoding]
    chunks = tuple(
        (slot, random.choice([0, random.randint(0, 90)]), random.randint(1, 30)) for slot in reading
    )
    return Trial({slot: random.randint(1, 120) for slot in decoding}, chunks)


@pytest.mark.parametrize("family", RECORDED)
def test_any_step_is_answered_as_by_the_modules(family: str) -> None:
    runner = a_runner(a_model(family))
    assert runner._recorded is not None
    random = Random(family)
    for _ in range(12):
        trial = a_random_step(random, 6)
        spans, packed = trial.step(VOCABULARY)
        kept = sorted(random.sample(range(packed.shape[1]), random.randint(0, packed.shape[1])))
        with torch.inference_mode():
            recorded = runner._recorded.run(spans, packed, kept)
            runner._attention.step = PackedStep(packed[2], packed[1], spans)
            known = runner._forward_eagerly(packed, kept)
        torch.testing.assert_close(recorded, known, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("family", WITH_EXPERTS)
def test_a_model_whose_steps_depend_on_its_numbers_is_not_recorded(family: str) -> None:
    assert a_runner(a_model(family))._recorded is None


def test_one_slot_is_enough() -> None:
    assert a_runner(a_model("llama"), slots=1)._recorded is not None


def test_a_recording_that_answers_differently_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    run = recorded_step.RecordedStep.run

    def wrong(self: Any, spans: Any, packed: Any, kept: Any) -> Any:
        return run(self, spans, packed, kept) + 0.1

    monkeypatch.setattr(recorded_step.RecordedStep, "run", wrong)
    assert a_runner(a_model("llama"))._recorded is None


def test_a_model_that_cannot_be_recorded_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> Any:
        raise RuntimeError("no tracing here")

    monkeypatch.setattr(torch.jit, "trace", refuse)
    runner = a_runner(a_model("llama"))
    assert runner._recorded is None and runner._attention.step is None
