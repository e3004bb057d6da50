"""The attention that a model's own layers call while the engine runs it.

transformers hands every layer's queries, keys and values to the function registered here; no
model code is changed. The new keys go into the slots' memory; what is attended to is the
step's matter.
"""

from __future__ import annotations

from itertools import count
from typing import Any, Protocol

from torch import Tensor
from transformers import AttentionInterface

from inference.engine.attention_kernels import Extras, View
from inference.engine.errors import UnsupportedModel
from inference.engine.kv_cache import KVCache
from inference.engine.packed_step import PackedStep, Span

_serial = count(1)


class Step(Protocol):
    """What the tokens of one forward look at."""

    def rows(self, memory: KVCache, kv_heads: int) -> Tensor:
        """Where the tokens' keys and values are written (``KVCache.rows``)."""
        ...

    def attend(self, layer: int, query: Tensor, memory: KVCache, extras: Extras) -> Tensor:
        """query [heads, tokens, width]; returns [tokens, heads, value width]."""
        ...


class MakeStep(Protocol):
    def __call__(self, slots: Tensor, positions: Tensor, spans: list[Span]) -> Step:
        """Of slots and positions [tokens]."""
        ...


class PackedAttention:
    """Registered with transformers under a name of its own; ``close`` takes the name back.

    ``make_step`` says how tokens look at the memory. ``views`` are what layers asked for so far.
    """

    def __init__(self, memory: KVCache, make_step: MakeStep = PackedStep) -> None:
        self.name = f"chatsite_packed_{next(_serial)}"
        self.memory = memory
        self.make_step = make_step
        self.step: Step | None = None
        self.views: set[View] = set()
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
        if attention_mask is not None:
            raise UnsupportedModel("It makes attention masks of its own.")
        layer: int = module.layer_idx
        shape = self.memory.shapes[layer]
        extras = Extras.of(shape.key_width**-0.5 if scaling is None else scaling, options)
        self.views.add(extras.view)
        self.memory.write(layer, step.rows(self.memory, shape.kv_heads), key[0], value[0])
        return step.attend(layer, query[0], self.memory, extras)[None], None
