"""Attention of a packed step over the slots, called by the model's own layers.

A step's tokens lie behind each other in one row: first one token of each sequence that is being
answered, then chunks of prompts. transformers hands every layer's queries, keys and values to the
function registered here; no model code is changed. Knows slots and positions; not requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from inference.engine.errors import UnsupportedModel
from inference.engine.kv_cache import KVCache

# What models pass along that changes nothing here.
HARMLESS = {"position_ids", "use_cache", "cache_position", "output_attentions", "is_causal"}
HARMLESS |= {"output_hidden_states", "return_dict", "logits_to_keep", "position_embeddings"}
HONOURED = {"sliding_window", "softcap", "s_aux"}
# Rows whose lengths differ more than this are not worth one padded call.
PADDING = 256

_serial = count(1)


@dataclass(frozen=True)
class Span:
    """Tokens of one call: ``rows`` sequences in neighbouring slots, ``tokens`` new ones of each.

    ``first`` is where they begin in the step, ``lengths`` what each slot holds afterwards.
    """

    first: int
    rows: int
    tokens: int
    slot: int
    lengths: list[int]

    @property
    def longest(self) -> int:
        return max(self.lengths)

    def begins_prompt(self, window: int | None) -> bool:
        """Causal from the first token on, so that no mask is needed."""
        return 1 < self.tokens == self.longest and (window is None or self.tokens <= window)


def decode_spans(slots: list[int], lengths: list[int]) -> list[Span]:
    """Neighbouring slots of similar length in one call each; ``slots`` in ascending order."""
    spans: list[Span] = []
    begin = 0
    for at in range(1, len(slots) + 1):
        taken = lengths[begin:at]
        if at < len(slots):
            adjacent = slots[at] == slots[at - 1] + 1
            shortest, longest = min(*taken, lengths[at]), max(*taken, lengths[at])
            if adjacent and longest <= 2 * shortest + PADDING:
                continue
        spans.append(Span(begin, at - begin, 1, slots[begin], taken))
        begin = at
    return spans


@dataclass
class PackedStep:
    """One step as the layers need it; what layers have in common is made once for all of them.

    ``slots`` and ``positions`` [tokens] say where each token belongs.
    """

    slots: Tensor
    positions: Tensor
    spans: list[Span]
    _rows: dict[int, Tensor] = field(default_factory=dict)
    _masks: dict[tuple[int, int | None], Tensor | None] = field(default_factory=dict)

    def rows(self, memory: KVCache, kv_heads: int) -> Tensor:
        """Where the tokens' keys and values are written."""
        if kv_heads not in self._rows:
            self._rows[kv_heads] = memory.rows(self.slots, self.positions, kv_heads)
        return self._rows[kv_heads]

    def mask(self, span: Span, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """What is added to the scores: [rows, 1, tokens, longest]; None where all is seen."""
        key = (span.first, window)
        if key not in self._masks:
            seen = _seen(span, window, self.slots.device)
            self._masks[key] = None if seen is None else _to_add(seen, dtype)
        return self._masks[key]


def _to_add(seen: Tensor, dtype: torch.dtype) -> Tensor:
    zeros = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
    return zeros.masked_fill(~seen, float("-inf"))


def _seen(span: Span, window: int | None, device: torch.device) -> Tensor | None:
    longest = span.longest
    if window is None or longest <= window:
        window = None
        if span.tokens == 1 and min(span.lengths) == longest:
            return None
    ends = torch.tensor(span.lengths, device=device)[:, None]
    queries = (ends - span.tokens + torch.arange(span.tokens, device=device))[:, :, None]
    keys = torch.arange(longest, device=device)
    seen = keys <= queries
    if window is not None:
        seen &= keys > queries - window
    return seen[:, None]


class PackedAttention:
    """Registered with transformers under a name of its own; ``close`` takes the name back."""

    def __init__(self, memory: KVCache) -> None:
        self.name = f"chatsite_packed_{next(_serial)}"
        self.memory = memory
        self.step: PackedStep | None = None
        interface: Any = AttentionInterface
        # A name that the registry of masks does not know: transformers then builds no mask.
        interface.register(self.name, self)

    def close(self) -> None:
        interface: Any = AttentionInterface
        interface._global_mapping.pop(self.name, None)

    def __call__(
        self,
        module: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        scaling: float | None = None,
        dropout: float = 0.0,
        **options: Any,
    ) -> tuple[Tensor, None]:
        """query [1, heads, tokens, width] and so on; returns [1, tokens, heads, width]."""
        step = self.step
        if step is None:
            raise RuntimeError("Attention outside of a step.")
        layer: int = module.layer_idx
        self.memory.write(layer, step.rows(self.memory, key.shape[1]), key[0], value[0])
        extras = Extras.of(options)
        parts = [self._attend(layer, query[0], span, scaling, extras) for span in step.spans]
        joined = parts[0] if len(parts) == 1 else torch.cat(parts)
        return joined[None], None

    def _attend(
        self, layer: int, query: Tensor, span: Span, scaling: float | None, extras: Extras
    ) -> Tensor:
        """[rows * tokens, heads, value width] for the tokens of one span."""
        assert self.step is not None
        end = span.first + span.rows * span.tokens
        heads, _, width = query.shape
        queries = query[:, span.first : end].reshape(heads, span.rows, span.tokens, width)
        queries = queries.transpose(0, 1)
        keys, values = self.memory.read(layer, span.slot, span.rows, span.longest)
        if extras.plain and span.begins_prompt(extras.window):
            out = _whole_prompt(queries, keys, values, scaling)
        else:
            mask = self.step.mask(span, extras.window, query.dtype)
            attend = _plain if extras.plain else partial(_eager, extras=extras)
            out = attend(queries, keys, values, mask, scaling)
        return out.transpose(1, 2).flatten(0, 1)


@dataclass(frozen=True)
class Extras:
    """What some architectures add to attention: a window, a soft cap, sinks (one per head)."""

    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None

    @classmethod
    def of(cls, options: dict[str, Any]) -> Extras:
        unknown = {n for n, value in options.items() if value is not None and value is not False}
        unknown -= HARMLESS | HONOURED
        if unknown:
            raise UnsupportedModel(f"Its attention asks for {', '.join(sorted(unknown))}.")
        window = options.get("sliding_window")
        return cls(window, options.get("softcap"), options.get("s_aux"))

    @property
    def plain(self) -> bool:
        return self.softcap is None and self.sinks is None


def _plain(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """[rows, heads, tokens, width] over [rows, kv_heads, keys, width], grouped heads included."""
    rows, heads, tokens, width = queries.shape
    kv_heads = keys.shape[1]
    if tokens > 1:
        return scaled_dot_product_attention(
            queries, keys, values, attn_mask=mask, scale=scaling, enable_gqa=heads != kv_heads
        )
    # The heads of a group become its queries: keys and values are read once, not once per head.
    grouped = queries.reshape(rows, kv_heads, heads // kv_heads, width)
    if queries.dtype == torch.float32 and queries.device.type == "cpu":
        out = _by_products(grouped, keys, values, mask, scaling)
        return out.reshape(rows, heads, 1, values.shape[-1])
    out = scaled_dot_product_attention(grouped, keys, values, attn_mask=mask, scale=scaling)
    return out.reshape(rows, heads, 1, values.shape[-1])


def _by_products(
    queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scaling: float | None
) -> Tensor:
    """Plain batched products: for few queries up to three times as fast as the CPU's kernel."""
    rows, kv_heads, group, width = queries.shape
    tokens = keys.shape[2]
    scale = width**-0.5 if scaling is None else scaling
    flat = queries.flatten(0, 1)
    turned = keys.flatten(0, 1).transpose(1, 2)
    if mask is None:
        scores = torch.bmm(flat * scale, turned)
    else:
        added = mask.expand(rows, kv_heads, group, tokens).flatten(0, 1)
        scores = torch.baddbmm(added, flat, turned, alpha=scale)
    return torch.bmm(scores.softmax(dim=-1), values.flatten(0, 1)).view(rows, kv_heads, group, -1)


def _whole_prompt(queries: Tensor, keys: Tensor, values: Tensor, scaling: float | None) -> Tensor:
    grouped = queries.shape[1] != keys.shape[1]
    return scaled_dot_product_attention(
        queries, keys, values, is_causal=True, scale=scaling, enable_gqa=grouped
    )


def _eager(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    mask: Tensor | None,
    scaling: float | None,
    extras: Extras,
) -> Tensor:
    """As transformers' eager attention: softmax in float32, a sink takes part and is dropped."""
    groups = queries.shape[1] // keys.shape[1]
    keys, values = (x.repeat_interleave(groups, dim=1) for x in (keys, values))
    scale = queries.shape[-1] ** -0.5 if scaling is None else scaling
    scores = queries @ keys.transpose(-1, -2) * scale
    if extras.softcap is not None:
        scores = torch.tanh(scores / extras.softcap) * extras.softcap
    if mask is not None:
        scores = scores + mask
    if extras.sinks is not None:
        sinks = extras.sinks.reshape(1, -1, 1, 1).expand(*scores.shape[:-1], 1)
        scores = torch.cat([scores, sinks.to(scores.dtype)], dim=-1)
    weights = scores.softmax(dim=-1, dtype=torch.float32).to(queries.dtype)
    return weights[..., : keys.shape[-2]] @ values
