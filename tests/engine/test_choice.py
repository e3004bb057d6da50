"""Which runner a model gets: the packed one only where it is proven right."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inference.engine import probe
from inference.engine.attention import PackedAttention
from inference.engine.attention_kernels import Extras
from inference.engine.choice import choose_runner
from inference.engine.errors import LoadError, UnsupportedModel
from inference.engine.packed_step import PackedStep, Span, decode_spans
from tests.engine.models import a_model


def test_a_model_says_why_it_is_not_packed() -> None:
    choice = choose_runner(a_model("bloom"), slots=3, max_model_len=128)
    assert (choice.kind, choice.slots) == ("interleaved", 3)
    assert "interface" in choice.reason
    with pytest.raises(LoadError, match="cannot be packed"):
        choose_runner(a_model("bloom"), slots=3, max_model_len=128, kind="packed")


def test_wrong_answers_of_the_packed_runner_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a layer had asked for something that the attention here does not do."""
    monkeypatch.setattr(Extras, "of", classmethod(lambda cls, scaling, options: cls(scaling, 3)))
    choice = choose_runner(a_model("llama"), slots=2, max_model_len=128)
    assert choice.kind == "interleaved"
    assert "answers differently" in choice.reason


def test_a_model_that_fails_the_probe_is_as_it_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(cls: Any, scaling: float, options: Any) -> Any:
        raise UnsupportedModel("no")

    monkeypatch.setattr(Extras, "of", classmethod(refuse))
    model = a_model("llama")
    choose_runner(model, slots=2, max_model_len=128)
    assert model.config._attn_implementation == "sdpa"


def test_attention_with_wishes_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="position_bias"):
        Extras.of(1.0, {"position_bias": torch.ones(1), "use_cache": False})
    assert Extras.of(1.0, {"sliding_window": 4, "softcap": None}) == Extras(1.0, window=4)


def test_kinds_of_layers_that_nobody_knows_are_refused() -> None:
    model = a_model("qwen3")
    model.config.layer_types = ["full_attention", "chunked_attention"]
    with pytest.raises(UnsupportedModel, match="chunked_attention"):
        probe.check_declared(model, 128)


@pytest.mark.parametrize("kind", ["longrope", "dynamic"])
def test_positions_that_depend_on_who_is_beside_are_refused_or_kept_short(kind: str) -> None:
    """transformers turns all tokens of a step by the longest chat in it."""
    model = a_model("llama")
    model.config.rope_parameters = {"rope_type": kind, "original_max_position_embeddings": 64}
    probe.check_declared(model, 64)
    with pytest.raises(UnsupportedModel, match="CHATSITE_MAX_MODEL_LEN=64"):
        probe.check_declared(model, 65)
    model.config.rope_parameters = {"full_attention": dict(model.config.rope_parameters)}
    with pytest.raises(UnsupportedModel, match="beyond 64 tokens"):
        probe.check_declared(model, 128)


def test_a_window_in_the_mask_alone_is_noticed_without_names_of_layers() -> None:
    model = a_model("llama")
    probe.attention_shapes(model)
    model.config.sliding_window = 8
    for layer in model.model.layers:
        layer.self_attn.config = model.config
    with pytest.raises(UnsupportedModel, match="window"):
        probe.attention_shapes(model)


def test_a_model_that_makes_its_own_masks_is_refused() -> None:
    shapes, _ = probe.attention_shapes(a_model("llama"))
    memory = probe.probe_memory(shapes, torch.float32, torch.device("cpu"))
    attention = PackedAttention(memory)
    nothing: Any = torch.zeros(1, 2, 1, 8)
    attention.step = PackedStep(torch.zeros(1), torch.zeros(1), [])
    with pytest.raises(UnsupportedModel, match="masks of its own"):
        attention(nothing, nothing, nothing, nothing, torch.zeros(1, 1, 1, 1))
    attention.close()


def test_whatever_a_model_raises_when_it_is_looked_at_it_is_served_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def strange(*args: Any) -> Any:
        raise KeyError("layer_idx")

    monkeypatch.setattr(probe, "attention_shapes", strange)
    choice = choose_runner(a_model("llama"), slots=2, max_model_len=128)
    assert choice.kind == "interleaved" and "KeyError" in choice.reason


def test_too_little_memory_to_try_is_said_and_nothing_slower_taken_silently(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*args: Any) -> Any:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(probe, "packed_logits", full)
    with pytest.raises(LoadError, match="not enough memory"):
        choose_runner(a_model("llama"), slots=2, max_model_len=128)


def test_a_window_that_is_not_told_to_the_attention_is_refused() -> None:
    model = a_model("gemma3")
    for layer in model.model.layers:
        layer.self_attn.sliding_window = None
    with pytest.raises(UnsupportedModel, match="window"):
        probe.attention_shapes(model)


def test_a_model_that_does_not_run_is_not_served() -> None:
    model = a_model("llama")
    model.model.layers[0].self_attn.q_proj = torch.nn.Linear(7, 7)
    with pytest.raises(LoadError, match="does not run"):
        choose_runner(model, slots=2, max_model_len=128)


def test_neighbours_of_like_length_share_a_call() -> None:
    spans = decode_spans([0, 1, 2, 4, 5, 6], [10, 12, 300, 9000, 8000, 20])
    assert spans == [
        Span(0, 2, 1, 0, [10, 12]),
        Span(2, 1, 1, 2, [300]),
        Span(3, 2, 1, 4, [9000, 8000]),
        Span(5, 1, 1, 6, [20]),
    ]


def test_attention_outside_of_a_step_is_an_error() -> None:
    shapes, dtype = probe.attention_shapes(a_model("llama"))
    attention = PackedAttention(probe.probe_memory(shapes, dtype, torch.device("cpu")))
    with pytest.raises(RuntimeError, match="Outside|outside"):
        nothing: Any = None
        attention(nothing, nothing, nothing, nothing, None)
    attention.close()
