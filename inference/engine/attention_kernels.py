"""Attention over views of the slots' memory, by whatever is fastest for the sizes at hand.

Functions of tensors. Shapes: queries [rows, heads, tokens, width], keys and values
[rows, kv_heads, keys, width]; a mask is added to the scores, [rows, 1, tokens, keys].
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from inference.engine.errors import UnsupportedModel

# What models pass along that changes nothing here.
HARMLESS = {"position_ids", "use_cache", "cache_position", "output_attentions", "is_causal"}
HARMLESS |= {"output_hidden_states", "return_dict", "logits_to_keep", "position_embeddings"}
HONOURED = {"sliding_window", "softcap", "s_aux"}


@dataclass(frozen=True)
class Extras:
    """What some architectures add to attention: a window, a soft cap, sinks (one per head)."""

    scaling: float
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None

    @classmethod
    def of(cls, scaling: float, options: dict[str, Any]) -> Extras:
        """Raises UnsupportedModel for a wish that is not known here."""
        unknown = {n for n, value in options.items() if value is not None and value is not False}
        unknown -= HARMLESS | HONOURED
        if unknown:
            raise UnsupportedModel(f"Its attention asks for {', '.join(sorted(unknown))}.")
        window = options.get("sliding_window")
        return cls(scaling, window, options.get("softcap"), options.get("s_aux"))

    @property
    def plain(self) -> bool:
        return self.softcap is None and self.sinks is None


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, extras: Extras
) -> Tensor:
    """[rows, heads, tokens, value width]."""
    if queries.shape[2] == 1:
        return attend_one(queries, keys, values, mask, extras)
    if not extras.plain:
        return _eager(queries, keys, values, mask, extras)
    grouped = queries.shape[1] != keys.shape[1]
    return scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, scale=extras.scaling, enable_gqa=grouped
    )


def attend_whole_prompt(queries: Tensor, keys: Tensor, values: Tensor, scaling: float) -> Tensor:
    """Causal from the first token on, so that no mask is needed."""
    grouped = queries.shape[1] != keys.shape[1]
    return scaled_dot_product_attention(
        queries, keys, values, is_causal=True, scale=scaling, enable_gqa=grouped
    )


def attend_one(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, extras: Extras
) -> Tensor:
    """One new token per row: the heads of a group become the queries of their keys.

    So keys and values are read once per group and not once per head. Decides nothing by sizes,
    so that it can be recorded.
    """
    if not extras.plain:
        return _eager(queries, keys, values, mask, extras)
    rows, heads, _, width = queries.shape
    grouped = queries.reshape(rows, keys.shape[1], -1, width)
    if queries.dtype == torch.float32 and queries.device.type == "cpu":
        out = _by_products(grouped, keys, values, mask, extras.scaling)
    else:
        out = scaled_dot_product_attention(
            grouped, keys, values, attn_mask=mask, scale=extras.scaling
        )
    return out.reshape(rows, heads, 1, values.shape[-1])


def _by_products(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float
) -> Tensor:
    """Plain batched products: for few queries up to three times as fast as the CPU's kernel."""
    rows, kv_heads, group, _ = queries.shape
    flat = queries.flatten(0, 1)
    turned = keys.flatten(0, 1).transpose(1, 2)
    if mask is None:
        scores = torch.bmm(flat * scaling, turned)
    else:
        added = mask.expand(rows, kv_heads, group, mask.shape[-1]).flatten(0, 1)
        scores = torch.baddbmm(added, flat, turned, alpha=scaling)
    return torch.bmm(scores.softmax(dim=-1), values.flatten(0, 1))


def _eager(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, extras: Extras
) -> Tensor:
    """As transformers' eager attention: softmax in float32, a sink takes part and is dropped."""
    rows, kv_heads, tokens, _ = keys.shape
    groups = queries.shape[1] // kv_heads
    keys, values = (x.repeat_interleave(groups, dim=1) for x in (keys, values))
    scores = queries @ keys.transpose(-1, -2) * extras.scaling
    if extras.softcap is not None:
        scores = torch.tanh(scores / extras.softcap) * extras.softcap
    if mask is not None:
        scores = scores + mask
    if extras.sinks is not None:
        sinks = extras.sinks.reshape(1, -1, 1, 1).expand(rows, -1, queries.shape[2], 1)
        scores = torch.cat([scores, sinks.to(scores.dtype)], dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(queries.dtype)
    return weights[..., :tokens] @ values
