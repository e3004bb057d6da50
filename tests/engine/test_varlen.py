"""CUDA's attention over the slots, by a stand-in for torch's kernel that runs on a CPU.

The stand-in does what the kernel's documentation says and nothing else; so what is tested is
what the engine asks the kernel for. The kernel itself needs a GPU.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.attention import varlen as torch_varlen
from torch.nn.functional import scaled_dot_product_attention

from inference.engine import varlen
from inference.engine.choice import choose_runner
from inference.engine.kv_cache import KVCache, LayerShape
from inference.engine.packed import PackedRunner
from inference.engine.packed_step import Span, causal_mask
from inference.engine.varlen import TokenMajorCache, VarlenStep
from tests.engine.models import PACKED, a_model
from tests.engine.test_parity import check_random_traffic

BEYOND_THE_KERNEL = ("gemma2", "gpt_oss", "deepseek_v3")  # a soft cap, sinks, other value widths


class Kernel:
    """Documented in ``torch.nn.attention.varlen``; asks for ascending rows and room for each."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        cu_seq_q: Tensor,
        cu_seq_k: Tensor,
        max_q: int,
        max_k: int,
        *,
        scale: float,
        window_size: tuple[int, int],
        enable_gqa: bool,
        seqused_k: Tensor,
    ) -> Tensor:
        assert {cu_seq_q.dtype, cu_seq_k.dtype, seqused_k.dtype} == {torch.int32}
        if key.shape != value.shape:
            raise RuntimeError("Keys and values must be of one width.")
        assert enable_gqa and cu_seq_q[0] == 0 and cu_seq_q[-1] == query.shape[0]
        assert (cu_seq_q.diff() <= max_q).all() and (seqused_k <= max_k).all()
        assert (seqused_k <= cu_seq_k.diff()).all() and cu_seq_k[-1] <= key.shape[0]
        # With one token for each row the kernel makes rows of the groups of heads.
        assert max_q > 1 or query.shape[0] == len(seqused_k)
        self.calls.append((len(seqused_k), max_q))
        left, right = window_size
        assert right == 0
        rows = []
        for at, used in enumerate(seqused_k.tolist()):
            queries = query[cu_seq_q[at] : cu_seq_q[at + 1]].transpose(0, 1)[None]
            begin = int(cu_seq_k[at])
            keys, values = (x[begin : begin + used].transpose(0, 1)[None] for x in (key, value))
            places = torch.arange(used - queries.shape[2], used)[None]  # the last ones, aligned
            mask = causal_mask(places, used, None if left < 0 else left + 1, query.dtype)
            out = scaled_dot_product_attention(
                queries, keys, values, attn_mask=mask, scale=scale, enable_gqa=True
            )
            rows.append(out[0].transpose(0, 1))
        return torch.cat(rows)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """As on a GPU with torch's kernel, which would not take float32."""
    kernel = Kernel()
    monkeypatch.setattr(torch_varlen, "varlen_attn", kernel)
    monkeypatch.setattr(varlen, "is_usable", lambda shapes, dtype, device: True)
    return kernel


def uses_the_kernel(model: Any) -> bool:
    runner = choose_runner(model, slots=3, max_model_len=128, kind="packed").runner
    assert isinstance(runner, PackedRunner)
    uses = runner._attention.make_step is VarlenStep
    assert not (uses and runner._recorded)  # a recording knows the other way only
    return uses


@pytest.mark.parametrize("family", sorted(set(PACKED) - set(BEYOND_THE_KERNEL)))
def test_requests_that_come_and_go_equal_generate(family: str, kernel: Kernel) -> None:
    assert uses_the_kernel(a_model(family))
    tried = len(kernel.calls)
    check_random_traffic(family, "packed", 1)
    assert len(kernel.calls) > 5 * tried  # each runner begins with a trial
    assert {most > 1 for _, most in kernel.calls} == {False, True}
    assert max(rows for rows, _ in kernel.calls) > 1


@pytest.mark.usefixtures("kernel")
@pytest.mark.parametrize("family", BEYOND_THE_KERNEL)
def test_what_the_kernel_does_not_do_goes_the_other_way(family: str) -> None:
    assert not uses_the_kernel(a_model(family))
    check_random_traffic(family, "packed", 1)


def test_a_kernel_that_answers_wrongly_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_varlen, "varlen_attn", lambda query, *args, **options: query * 2)
    monkeypatch.setattr(varlen, "is_usable", lambda shapes, dtype, device: True)
    assert not uses_the_kernel(a_model("llama"))
    check_random_traffic("llama", "packed", 1)


def test_only_a_gpu_with_the_right_torch_dtype_and_widths_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, shapes = torch.device("cuda"), {0: LayerShape(2, 64, 64)}
    assert varlen.is_usable(shapes, torch.bfloat16, gpu)
    assert not varlen.is_usable(shapes, torch.bfloat16, torch.device("cpu"))
    assert not varlen.is_usable(shapes, torch.float32, gpu)
    assert not varlen.is_usable({**shapes, 1: LayerShape(2, 64, 32)}, torch.float16, gpu)
    assert not varlen.is_usable({0: LayerShape(2, 512, 512)}, torch.float16, gpu)
    assert not varlen.is_usable({0: LayerShape(2, 20, 20)}, torch.float16, gpu)
    monkeypatch.setattr(torch_varlen, "varlen_attn", lambda query, key, value, scale=None: None)
    assert not varlen.is_usable(shapes, torch.bfloat16, gpu)


def test_the_memory_looks_the_same_whichever_way_it_lies() -> None:
    shapes = {0: LayerShape(2, 8, 8)}
    caches = [
        kind(shapes, 3, 16, torch.float32, torch.device("cpu"))
        for kind in (KVCache, TokenMajorCache)
    ]
    keys, values = torch.randn(2, 5, 8), torch.randn(2, 5, 8)
    for cache in caches:
        rows = cache.rows(torch.tensor([2, 2, 2, 0, 1]), torch.tensor([0, 1, 2, 9, 15]), 2)
        cache.write(0, rows, keys, values)
        cache.copy(2, 0, 2)
        cache.clear(1, 16)
    for one, other in zip(caches[0].layer(0), caches[1].layer(0), strict=True):
        torch.testing.assert_close(one, other)
        assert one.abs().sum() > 0


def test_rows_of_one_token_have_a_call_of_their_own_in_ascending_slots() -> None:
    spans = [
        *(Span(0, 2, 1, 1, [5, 6]), Span(2, 1, 1, 4, [7])),
        *(Span(3, 1, 1, 0, [9]), Span(4, 1, 3, 2, [3]), Span(7, 1, 2, 5, [8])),
    ]
    calls = list(varlen._calls(spans, 100, torch.device("cpu")))
    assert [(c.first, c.end, c.most_tokens, c.most_keys) for c in calls] == [
        *((0, 3, 1, 7), (3, 4, 1, 9), (4, 9, 3, 8)),
    ]
    assert calls[0].begins.tolist() == [[0, 1, 2, 3], [100, 200, 400, 500]]
    assert calls[2].begins.tolist() == [[0, 3, 5], [200, 500, 600]]
    assert calls[2].used.tolist() == [3, 8]
