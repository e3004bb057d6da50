"""Attention over the slots' memory, by whatever is fastest for the sizes at hand.

Functions of tensors, written so that TorchScript takes them too: a recorded step calls them where
a trace would fix the sizes of its example. Shapes: queries [rows, heads, tokens, width], keys and
values [rows, kv_heads, keys, width]; a mask is added to the scores, [rows, 1, tokens, keys].
"""

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
class View:
    """What decides which mask a layer needs; ``plain`` ones have a kernel that can do without."""

    window: int | None
    plain: bool


@dataclass(frozen=True)
class Extras:
    """What some architectures add to attention: a window, a soft cap, sinks (one per head)."""

    scaling: float
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None

    @classmethod
    def of(cls, scaling: float, options: dict[str, Any]) -> "Extras":
        """Raises UnsupportedModel for a wish that is not known here."""
        unknown = {n for n, value in options.items() if value is not None and value is not False}
        unknown -= HARMLESS | HONOURED
        if unknown:
            raise UnsupportedModel(f"Its attention asks for {', '.join(sorted(unknown))}.")
        window = options.get("sliding_window")
        return cls(scaling, window, options.get("softcap"), options.get("s_aux"))

    @property
    def view(self) -> View:
        return View(self.window, self.softcap is None and self.sinks is None)


# Of a span without a mask: its only token sees everything, or its tokens are a prompt's first.
NO_MASK = -1


def attend_spans(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    table: Tensor,
    masks: Tensor,
    scaling: float,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """The tokens of a step, span by span: [tokens, heads, value width].

    query [heads, tokens, width]; keys and values are all the memory of a layer, [slots, kv_heads,
    length, width]. ``table`` [spans, 6] says of each span its first token, its rows, the tokens
    of a row, its first slot, the keys seen, and where its mask begins in the flat ``masks``.
    """
    spans: list[list[int]] = table.tolist()
    parts: list[Tensor] = []
    for span in spans:
        first, rows, tokens = span[0], span[1], span[2]
        slot, longest, at = span[3], span[4], span[5]
        heads, width = query.shape[0], query.shape[2]
        queries = query[:, first : first + rows * tokens].reshape(heads, rows, tokens, width)
        queries = queries.transpose(0, 1)
        seen = keys[slot : slot + rows, :, :longest]
        carried = values[slot : slot + rows, :, :longest]
        mask: Tensor | None = None
        if at >= 0:
            size = rows * tokens * longest
            mask = masks[at : at + size].view(rows, 1, tokens, longest)
        if softcap is not None or sinks is not None:
            out = attend_eagerly(queries, seen, carried, mask, scaling, softcap, sinks)
        elif tokens == 1:
            out = attend_one(queries, seen, carried, mask, scaling)
        else:
            out = scaled_dot_product_attention(
                queries,
                seen,
                carried,
                attn_mask=mask,
                is_causal=mask is None,
                scale=scaling,
                enable_gqa=True,
            )
        parts.append(out.transpose(1, 2).flatten(0, 1))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def attend_one(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float
) -> Tensor:
    """One new token per row: the heads of a group become the queries of their keys.

    So keys and values are read once per group and not once per head.
    """
    rows, heads, width = queries.shape[0], queries.shape[1], queries.shape[3]
    grouped = queries.reshape(rows, keys.shape[1], heads // keys.shape[1], width)
    if queries.dtype == torch.float32 and queries.device.type == "cpu":
        out = attend_by_products(grouped, keys, values, mask, scaling)
    else:
        out = scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=scaling)
    return out.reshape(rows, heads, 1, values.shape[3])


def attend_by_products(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float
) -> Tensor:
    """Plain batched products: for few queries up to three times as fast as the CPU's kernel."""
    flat = queries.flatten(0, 1)
    turned = keys.flatten(0, 1).transpose(1, 2)
    if mask is None:
        scores = torch.bmm(flat * scaling, turned)
    else:
        rows, kv_heads, group = queries.shape[0], queries.shape[1], queries.shape[2]
        added = mask.expand(rows, kv_heads, group, mask.shape[3]).flatten(0, 1)
        scores = torch.baddbmm(added, flat, turned, alpha=scaling)
    return torch.bmm(scores.softmax(dim=-1), values.flatten(0, 1))


def attend_eagerly(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scaling: float,
    softcap: float | None,
    sinks: Tensor | None,
) -> Tensor:
    """As transformers' eager attention: softmax in float32, a sink takes part and is dropped."""
    groups = queries.shape[1] // keys.shape[1]
    scores = queries @ keys.repeat_interleave(groups, dim=1).transpose(-1, -2) * scaling
    if softcap is not None:
        scores = torch.tanh(scores / softcap) * softcap
    if mask is not None:
        scores = scores + mask
    if sinks is not None:
        ends = sinks.reshape(1, -1, 1, 1).expand(queries.shape[0], -1, queries.shape[2], 1)
        scores = torch.cat([scores, ends.to(scores.dtype)], dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(queries.dtype)
    return weights[..., : keys.shape[2]] @ values.repeat_interleave(groups, dim=1)
