"""Attention on CUDA by torch's own kernel for rows of different lengths, without any masks.

It reads the slots where they lie: a row's keys begin where its slot does, and ``seqused_k`` says
how many there are. torch has that from 2.12 on; elsewhere, and for layers that the kernel does not
do, attention goes by ``packed_step``.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.attention import varlen

from inference.engine.attention_kernels import Extras
from inference.engine.errors import UnsupportedModel
from inference.engine.kv_cache import KVCache, LayerShape
from inference.engine.packed_step import Span

DTYPES = (torch.bfloat16, torch.float16)
WIDEST = 256


class TokenMajorCache(KVCache):
    """The heads of a token lie side by side, [slots, length, kv_heads, width], as the kernel reads
    them. To everybody else it looks like any other."""

    def _room(self, heads: int, width: int) -> Tensor:
        shape = (self.slots, self.length, heads, width)
        return torch.zeros(shape, dtype=self.dtype, device=self.device).transpose(1, 2)

    def rows(self, slots: Tensor, positions: Tensor, kv_heads: int) -> Tensor:
        return slots * self.length + positions

    def write(self, layer: int, rows: Tensor, keys: Tensor, values: Tensor) -> None:
        all_keys, all_values = self.tokens(layer)
        all_keys.index_copy_(0, rows, keys.transpose(0, 1))
        all_values.index_copy_(0, rows, values.transpose(0, 1))

    def tokens(self, layer: int) -> tuple[Tensor, Tensor]:
        """Keys and values of all slots behind each other, [slots * length, kv_heads, width]."""
        keys, values = self.layer(layer)
        return keys.transpose(1, 2).flatten(0, 1), values.transpose(1, 2).flatten(0, 1)


def is_usable(shapes: Mapping[int, LayerShape], dtype: torch.dtype, device: torch.device) -> bool:
    widths = {width for one in shapes.values() for width in (one.key_width, one.value_width)}
    return (
        device.type == "cuda"
        and dtype in DTYPES
        and "seqused_k" in inspect.signature(varlen.varlen_attn).parameters
        and all(one.key_width == one.value_width for one in shapes.values())
        and all(width <= WIDEST and width % 8 == 0 for width in widths)
    )


@dataclass(frozen=True)
class _Row:
    slot: int
    tokens: int
    length: int


@dataclass(frozen=True)
class _Call:
    """Rows of neighbouring tokens ``first`` to ``end`` of the step, in ascending slots.

    ``begins`` [2, rows + 1] has where each row's tokens and keys begin, ``used`` [rows] how many
    keys it has.
    """

    first: int
    end: int
    begins: Tensor
    used: Tensor
    most_tokens: int
    most_keys: int


@dataclass
class VarlenStep:
    """``slots`` and ``positions`` [tokens], as of a ``PackedStep``."""

    slots: Tensor
    positions: Tensor
    spans: Sequence[Span]
    _rows: Tensor | None = None
    _calls: list[_Call] = field(default_factory=list)

    def rows(self, memory: KVCache, kv_heads: int) -> Tensor:
        if self._rows is None:
            self._rows = memory.rows(self.slots, self.positions, kv_heads)
        return self._rows

    def attend(self, layer: int, query: Tensor, memory: KVCache, extras: Extras) -> Tensor:
        """query [heads, tokens, width]; returns [tokens, heads, width]."""
        if not extras.view.plain or not isinstance(memory, TokenMajorCache):
            raise UnsupportedModel("The kernel knows neither soft caps nor sinks.")
        if not self._calls:
            self._calls = list(_calls(self.spans, memory.length, query.device))
        keys, values = memory.tokens(layer)
        queries = query.transpose(0, 1)
        parts = [self._attend(queries, keys, values, call, extras) for call in self._calls]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def _attend(
        self, queries: Tensor, keys: Tensor, values: Tensor, call: _Call, extras: Extras
    ) -> Tensor:
        out = varlen.varlen_attn(
            queries[call.first : call.end],
            keys,
            values,
            call.begins[0],
            call.begins[1],
            call.most_tokens,
            call.most_keys,
            scale=extras.scaling,
            # To the left and to the right, itself not counted.
            window_size=(-1 if extras.window is None else extras.window - 1, 0),
            enable_gqa=True,
            seqused_k=call.used,
        )
        assert isinstance(out, Tensor)
        return out


def _calls(spans: Sequence[Span], length: int, device: torch.device) -> Iterator[_Call]:
    """Rows of one token and rows of more in calls of their own; the kernel has a way for each."""
    first = 0
    for rows in _groups(spans):
        ends = [0]
        for row in rows:
            ends.append(ends[-1] + row.tokens)
        starts = [row.slot * length for row in rows]
        used = [row.length for row in rows]
        # One transfer to the device; the last column of the lengths is not used.
        numbers = [ends, [*starts, starts[-1] + length], [*used, 0]]
        there = torch.tensor(numbers, dtype=torch.int32).to(device, non_blocking=True)
        yield _Call(
            first=first,
            end=first + ends[-1],
            begins=there[:2],
            used=there[2, :-1],
            most_tokens=max(row.tokens for row in rows),
            most_keys=max(used),
        )
        first += ends[-1]


def _groups(spans: Sequence[Span]) -> list[list[_Row]]:
    groups: list[list[_Row]] = []
    for span in spans:
        for at, length in enumerate(span.lengths):
            row = _Row(span.slot + at, span.tokens, length)
            last = groups[-1][-1] if groups else None
            if last and last.slot < row.slot and (last.tokens == 1) == (row.tokens == 1):
                groups[-1].append(row)
            else:
                groups.append([row])
    return groups
