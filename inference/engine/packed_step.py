"""One step as the layers see it: whose tokens lie where in the row, and what each may look at.

A step's tokens lie behind each other: first one token of each sequence that is being answered, in
the order of their slots, then chunks of prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.engine.attention_kernels import Extras, attend, attend_whole_prompt
from inference.engine.kv_cache import KVCache

# Rows whose lengths differ more than this are not worth one padded call.
PADDING = 256


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
        return 1 < self.tokens == self.longest and (window is None or self.tokens <= window)


def decode_spans(slots: Sequence[int], lengths: Sequence[int]) -> list[Span]:
    """Neighbouring slots of similar length in one call each; ``slots`` in ascending order."""
    spans: list[Span] = []
    begin = 0
    shortest = longest = 0
    for at, (slot, length) in enumerate(zip(slots, lengths, strict=True)):
        wide = max(longest, length) > 2 * min(shortest, length) + PADDING
        if at > begin and (wide or slot != slots[at - 1] + 1):
            spans.append(Span(begin, at - begin, 1, slots[begin], list(lengths[begin:at])))
            begin = at
        if at == begin:
            shortest = longest = length
        shortest, longest = min(shortest, length), max(longest, length)
    if slots:
        spans.append(Span(begin, len(slots) - begin, 1, slots[begin], list(lengths[begin:])))
    return spans


@dataclass
class PackedStep:
    """What layers have in common is made once for all of them.

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

    def attend(self, layer: int, query: Tensor, memory: KVCache, extras: Extras) -> Tensor:
        """query [heads, tokens, width]; returns [tokens, heads, value width]."""
        parts = [self._attend(layer, query, span, memory, extras) for span in self.spans]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend(
        self, layer: int, query: Tensor, span: Span, memory: KVCache, extras: Extras
    ) -> Tensor:
        end = span.first + span.rows * span.tokens
        heads, _, width = query.shape
        queries = query[:, span.first : end].reshape(heads, span.rows, span.tokens, width)
        queries = queries.transpose(0, 1)
        keys, values = memory.read(layer, span.slot, span.rows, span.longest)
        if extras.plain and span.begins_prompt(extras.window):
            out = attend_whole_prompt(queries, keys, values, extras.scaling)
        else:
            mask = self._mask(span, extras.window, query.dtype)
            out = attend(queries, keys, values, mask, extras)
        return out.transpose(1, 2).flatten(0, 1)

    def _mask(self, span: Span, window: int | None, dtype: torch.dtype) -> Tensor | None:
        """None where everything may be seen."""
        key = (span.first, window)
        if key not in self._masks:
            self._masks[key] = _span_mask(span, window, dtype, self.slots.device)
        return self._masks[key]


def _span_mask(
    span: Span, window: int | None, dtype: torch.dtype, device: torch.device
) -> Tensor | None:
    longest = span.longest
    if window is None or longest <= window:
        window = None
        if span.tokens == 1 and min(span.lengths) == longest:
            return None
    ends = torch.tensor(span.lengths, device=device)[:, None]
    positions = ends - span.tokens + torch.arange(span.tokens, device=device)
    return causal_mask(positions, longest, window, dtype)


def causal_mask(positions: Tensor, keys: int, window: int | None, dtype: torch.dtype) -> Tensor:
    """[rows, 1, tokens, keys] for positions [rows, tokens]: 0 where a token may look, else -inf."""
    places = torch.arange(keys, device=positions.device)
    hidden = places > positions[..., None]
    if window is not None:
        hidden |= places <= positions[..., None] - window
    mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
    return mask.masked_fill(hidden, float("-inf"))[:, None]
