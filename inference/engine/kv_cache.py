"""The memory of the slots: keys and values of every computed token, per layer.

Contiguous and reserved whole, so that nothing is ever moved or preempted. Knows slots as numbers;
who sits in them is the scheduler's matter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LayerShape:
    """What one attention layer stores per token; keys and values may differ in width (MLA)."""

    kv_heads: int
    key_width: int
    value_width: int

    @property
    def numbers(self) -> int:
        return self.kv_heads * (self.key_width + self.value_width)


def bytes_per_token(shapes: Mapping[int, LayerShape], dtype: torch.dtype) -> int:
    """Of all layers together."""
    return sum(shape.numbers for shape in shapes.values()) * dtype.itemsize


class KVCache:
    """Per layer keys and values: [slots, kv_heads, length, width]."""

    def __init__(
        self,
        shapes: Mapping[int, LayerShape],
        slots: int,
        length: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shapes = dict(shapes)
        self.slots = slots
        self.length = length
        self.dtype = dtype
        self.device = device
        self._keys = {i: self._room(s.kv_heads, s.key_width) for i, s in shapes.items()}
        self._values = {i: self._room(s.kv_heads, s.value_width) for i, s in shapes.items()}

    def _room(self, heads: int, width: int) -> Tensor:
        # Zeros, never empty: what lies beyond a row's end is masked, but 0 * NaN is NaN.
        shape = (self.slots, heads, self.length, width)
        return torch.zeros(shape, dtype=self.dtype, device=self.device)

    def rows(self, slots: Tensor, positions: Tensor, kv_heads: int) -> Tensor:
        """Where tokens are written, for slots and positions [tokens]; only ``write`` reads it."""
        heads = torch.arange(kv_heads, device=slots.device)[:, None]
        return ((slots * kv_heads + heads) * self.length + positions).flatten()

    def write(self, layer: int, rows: Tensor, keys: Tensor, values: Tensor) -> None:
        """``rows`` as above; keys and values [kv_heads, tokens, width]."""
        self._keys[layer].flatten(0, 2).index_copy_(0, rows, keys.flatten(0, 1))
        self._values[layer].flatten(0, 2).index_copy_(0, rows, values.flatten(0, 1))

    def layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """All keys and values of a layer, [slots, kv_heads, length, width]."""
        return self._keys[layer], self._values[layer]

    def copy(self, source: int, target: int, tokens: int) -> None:
        """The first tokens of one slot into another."""
        for memory in (*self._keys.values(), *self._values.values()):
            memory[target, :, :tokens] = memory[source, :, :tokens]

    def clear(self, slot: int, tokens: int) -> None:
        """After a sequence with numbers that are none: they must not reach the slot's next one."""
        for memory in (*self._keys.values(), *self._values.values()):
            memory[slot, :, :tokens].zero_()
