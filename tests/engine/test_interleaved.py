"""The interleaved runner: repeatable answers, and faults that stay with their request."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inference.engine.errors import LoadError, RequestError
from inference.engine.interleaved import InterleavedRunner
from inference.engine.loader import warm_up
from tests.engine.core import CoreInHand, a_request
from tests.engine.models import VOCABULARY, a_model

SAMPLED: dict[str, Any] = {
    "temperature": 0.9,
    "top_p": 0.95,
    "frequency_penalty": 0.3,
    "repetition_penalty": 1.1,
    "seed": 99,
    "max_tokens": 16,
}


@pytest.fixture(scope="module")
def model() -> Any:
    return a_model("llama")


def tokens_of(model: Any, *others: Any, resume: list[int] | None = None) -> list[int]:
    hand = CoreInHand(InterleavedRunner(model))
    hand.submit(a_request("it", [9, 8, 7], resume or [], **SAMPLED), *others)
    hand.run()
    return hand.tokens()["it"]


def test_a_seed_gives_the_same_tokens_alone_beside_others_and_after_a_resume(model: Any) -> None:
    alone = tokens_of(model)
    assert len(set(alone)) > 4
    beside = tokens_of(
        model,
        a_request("x", [1, 2], temperature=1.5, seed=4, max_tokens=5),
        a_request("y", [9, 8, 7], temperature=0.0),
        a_request("z", [9, 8, 7], **{**SAMPLED, "seed": 100}),
    )
    assert beside == alone
    assert tokens_of(model, resume=alone[:7]) == alone[7:]


def test_another_seed_gives_other_tokens(model: Any) -> None:
    hand = CoreInHand(InterleavedRunner(model))
    hand.submit(a_request("a", **SAMPLED), a_request("b", **{**SAMPLED, "seed": 100}))
    hand.run()
    assert hand.tokens()["a"] != hand.tokens()["b"]


class _Wrapped:
    """A model that does something to forwards of a prompt that begins with token 33."""

    def __init__(self, model: Any, spoil: Any) -> None:
        self._model = model
        self._spoil = spoil

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, **inputs: Any) -> Any:
        outputs = self._model(**inputs)
        return self._spoil(outputs) if inputs["input_ids"][0, 0] == 33 else outputs


def _to_nan(outputs: Any) -> Any:
    outputs.logits = outputs.logits * float("nan")
    return outputs


def _raise(error: Exception) -> Any:
    def spoil(outputs: Any) -> Any:
        raise error

    return spoil


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (_to_nan, "bad_logits"),
        (_raise(ValueError("odd")), "engine_error"),
        (_raise(torch.OutOfMemoryError("full")), "out_of_memory"),
    ],
)
def test_a_fault_of_one_request_leaves_the_others_alone(model: Any, spoil: Any, code: str) -> None:
    expected = tokens_of(model)
    broken: Any = _Wrapped(model, spoil)
    hand = CoreInHand(InterleavedRunner(broken))
    hand.submit(a_request("bad", [33, 1]), a_request("it", [9, 8, 7], **SAMPLED))
    hand.run()
    assert hand.ends() == {"bad": code, "it": "length"}
    assert hand.tokens()["it"] == expected


@pytest.mark.parametrize("token", [-1, VOCABULARY, 2**40])
def test_a_token_the_model_does_not_know_is_refused(model: Any, token: int) -> None:
    with pytest.raises(RequestError, match="does not know"):
        InterleavedRunner(model).add(a_request("a", [1, token]))


def test_nothing_is_kept_of_what_was_removed(model: Any) -> None:
    runner = InterleavedRunner(model)
    hand = CoreInHand(runner)
    hand.submit(a_request("a"), a_request("b", max_tokens=50))
    hand.step()
    hand.abort("b")
    hand.run()
    assert runner._sequences == {}


@pytest.mark.parametrize("family", ["llama", "mamba", "gpt2"])
def test_ordinary_models_keep_requests_apart(family: str) -> None:
    assert not InterleavedRunner(a_model(family)).mixes_sequences()


def test_a_model_that_mixes_requests_is_refused() -> None:
    """RecurrentGemma has its recurrent state in its layers; greedy output was seen to differ."""
    from transformers import AutoModelForCausalLM, RecurrentGemmaConfig

    config: Any = RecurrentGemmaConfig(
        vocab_size=VOCABULARY,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=1,
        attention_window_size=16,
        lru_width=32,
    )
    recurrent: Any = AutoModelForCausalLM.from_config(config)
    with pytest.raises(LoadError, match="one person at a time"):
        warm_up(InterleavedRunner(recurrent.eval()))


def test_a_model_that_cannot_run_is_not_ready(model: Any) -> None:
    class Always(_Wrapped):
        def __call__(self, **inputs: Any) -> Any:
            return _to_nan(self._model(**inputs))

    always: Any = Always(model, _to_nan)
    with pytest.raises(LoadError):
        warm_up(InterleavedRunner(always))
