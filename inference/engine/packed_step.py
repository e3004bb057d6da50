"""One step as the layers see it: whose tokens lie where in the row, and what each may look at.

A step's tokens lie behind each other: first one token of each sequence that is being answered, in
the order of their slots, then chunks of prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import pad

from inference.engine.attention_kernels import NO_MASK, Extras, View, attend_spans
from inference.engine.kv_cache import KVCache

# Numbers; the masks of a GPU's kernels must begin at multiples of 16 bytes.
ALIGNMENT = 8
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


@dataclass(frozen=True)
class Sight:
    """What ``attend_spans`` needs: the spans' table, and their masks behind each other."""

    table: Tensor
    masks: Tensor


@dataclass
class PackedStep:
    """What layers have in common is made once for all of them.

    ``slots`` and ``positions`` [tokens] say where each token belongs. ``sights`` are made of the
    spans as layers ask for them, or given; ``attend_by`` is ``attend_spans`` or a recording of it.
    """

    slots: Tensor
    positions: Tensor
    spans: list[Span]
    sights: dict[View, Sight] = field(default_factory=dict)
    attend_by: Callable[..., Tensor] = attend_spans
    _rows: dict[int, Tensor] = field(default_factory=dict)

    def rows(self, memory: KVCache, kv_heads: int) -> Tensor:
        """Where the tokens' keys and values are written."""
        if kv_heads not in self._rows:
            self._rows[kv_heads] = memory.rows(self.slots, self.positions, kv_heads)
        return self._rows[kv_heads]

    def attend(self, layer: int, query: Tensor, memory: KVCache, extras: Extras) -> Tensor:
        """query [heads, tokens, width]; returns [tokens, heads, value width]."""
        view = extras.view
        if view not in self.sights:
            self.sights[view] = sight_of(self.spans, view, query.dtype, query.device)
        sight = self.sights[view]
        keys, values = memory.layer(layer)
        extra = (extras.scaling, extras.softcap, extras.sinks)
        return self.attend_by(query, keys, values, sight.table, sight.masks, *extra)


def sight_of(spans: Sequence[Span], view: View, dtype: torch.dtype, device: torch.device) -> Sight:
    """The table is in the host's memory, as it says how tensors are cut; the masks are not."""
    table: list[list[int]] = []
    masks: list[Tensor] = []
    end = 0
    for span in spans:
        at = NO_MASK
        if _needs_mask(span, view):
            masks.append(_mask_of(span, view.window, dtype, device))
            at, end = end, end + masks[-1].numel()
        table.append([span.first, span.rows, span.tokens, span.slot, span.longest, at])
    flat = torch.cat(masks) if masks else torch.zeros(0, dtype=dtype, device=device)
    return Sight(torch.tensor(table), flat)


def _needs_mask(span: Span, view: View) -> bool:
    """None is needed where all is seen, or by a kernel that hides what comes later by itself."""
    if view.window is not None and span.longest > view.window:
        return True
    if span.tokens == 1:
        return min(span.lengths) < span.longest
    return not (view.plain and span.tokens == span.longest and span.rows == 1)


def _mask_of(span: Span, window: int | None, dtype: torch.dtype, device: torch.device) -> Tensor:
    ends = torch.tensor(span.lengths).to(device, non_blocking=True)[:, None]
    positions = ends - span.tokens + torch.arange(span.tokens, device=device)
    mask = causal_mask(positions, span.longest, window, dtype).flatten()
    return pad(mask, (0, -len(mask) % ALIGNMENT))


def causal_mask(positions: Tensor, keys: int, window: int | None, dtype: torch.dtype) -> Tensor:
    """[rows, 1, tokens, keys] for positions [rows, tokens]: 0 where a token may look, else -inf."""
    places = torch.arange(keys, device=positions.device)
    hidden = places > positions[..., None]
    if window is not None:
        hidden |= places <= positions[..., None] - window
    mask = torch.zeros(hidden.shape, dtype=dtype, device=positions.device)
    return mask.masked_fill(hidden, float("-inf"))[:, None]
