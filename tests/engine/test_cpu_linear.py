"""Weights laid out for a CPU: the same products, shared only by layers that read one input."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from inference.engine import cpu_linear, probe
from inference.engine.choice import choose_runner
from inference.engine.cpu_linear import PackedLinear, SharedColumns, pack_linears
from inference.engine.errors import LoadError
from tests.engine.models import a_model

pytestmark = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="torch without oneDNN"
)


@pytest.fixture
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small layers may be faster as they are; here all are packed."""
    monkeypatch.setattr(cpu_linear, "_gains", lambda group: True)


def run_once(model: Any) -> Any:
    return lambda: probe.plain_logits(model, [0], 1)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("family", ["llama", "qwen2", "phi3", "gemma2", "mixtral", "deepseek_v3"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_packed_model_answers_as_before(family: str, dtype: torch.dtype) -> None:
    model = a_model(family).to(dtype)
    before = probe.reference_logits(model)
    assert pack_linears(model, run_once(model)) > 0
    assert probe.agree(before, probe.reference_logits(model), dtype)


@pytest.mark.usefixtures("_always")
def test_layers_of_one_input_become_one_product() -> None:
    model = a_model("llama")
    assert pack_linears(model, run_once(model)) == 2 * 7 + 1
    layer = model.model.layers[0]
    shared = [layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj]
    assert all(isinstance(one, SharedColumns) for one in shared)
    assert len({id(one._shared) for one in shared}) == 1
    assert layer.mlp.gate_proj._shared is layer.mlp.up_proj._shared is not shared[0]._shared
    assert isinstance(layer.self_attn.o_proj, PackedLinear)
    assert isinstance(model.lm_head, PackedLinear)


@pytest.mark.usefixtures("_always")
def test_a_shared_product_never_answers_for_another_input() -> None:
    model = a_model("llama")
    plain = model.model.layers[0].mlp.gate_proj, model.model.layers[0].mlp.up_proj
    pack_linears(model, run_once(model))
    packed = model.model.layers[0].mlp.gate_proj, model.model.layers[0].mlp.up_proj
    with torch.inference_mode():
        one, other = torch.randn(1, 3, 32), torch.randn(1, 3, 32)
        for hidden, asked in ((one, (0, 1)), (other, (0, 0, 1)), (one, (1, 0)), (other, (1,))):
            for index in asked:
                torch.testing.assert_close(packed[index](hidden), plain[index](hidden))


def test_what_does_not_gain_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_linear, "_gains", lambda group: False)
    model = a_model("llama")
    assert pack_linears(model, run_once(model)) == 0
    assert type(model.lm_head) is torch.nn.Linear


def test_wrong_products_are_noticed_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    forward = PackedLinear.forward
    monkeypatch.setattr(PackedLinear, "forward", lambda self, hidden: forward(self, hidden) * 1.1)
    monkeypatch.setattr(cpu_linear, "_seconds", lambda call: 1.0 / (1 + str(call).count("Packed")))
    model = a_model("llama")
    assert pack_linears(model, run_once(model)) == 0


@pytest.mark.usefixtures("_always")
def test_wrong_answers_with_them_are_noticed_before_anybody_is_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    forward = PackedLinear.forward
    monkeypatch.setattr(PackedLinear, "forward", lambda self, hidden: forward(self, hidden) * 2.0)
    with pytest.raises(LoadError, match="disagree"):
        choose_runner(a_model("llama"), slots=2, max_model_len=128)


@pytest.mark.usefixtures("_always")
@pytest.mark.parametrize("family", ["mamba", "jamba"])
def test_a_model_that_reads_its_weights_itself_keeps_them(family: str) -> None:
    model = a_model(family)
    before = probe.reference_logits(model)
    pack_linears(model, run_once(model))
    assert probe.agree(before, probe.reference_logits(model), torch.float32)


def test_a_cpu_that_cannot_lay_them_out_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Any, layers: Any) -> None:
        raise RuntimeError("not on this CPU")

    monkeypatch.setattr(PackedLinear, "__init__", refuse)
    model = a_model("llama")
    assert pack_linears(model, run_once(model)) == 0
