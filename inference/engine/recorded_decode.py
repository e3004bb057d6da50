"""A decode step recorded once, so that Python need not walk through the model's modules again.

On a CPU a small model spends half of a step in Python. ``torch.jit.trace`` writes down the
operations of one decode step, with batch and context as they come; measured: docs/benchmarks.md.
There are two: of neighbouring slots, whose memory is used where it lies, and of scattered ones,
whose memory is first copied together; that pays while there is little of it. They are used only
where they are proven to answer as the model does, and for steps without prompts.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inference.engine.attention import PackedAttention
from inference.engine.attention_kernels import Extras, attend_one
from inference.engine.kv_cache import KVCache, bytes_per_token
from inference.engine.packed_step import PackedStep, causal_mask, decode_spans

logger = logging.getLogger(__name__)

# Which of its experts a token takes is not the same in every step: nothing to record.
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")
# (slots, length of each) of the steps that a recording is checked with.
TRIALS = (([0], [3]), ([1, 2], [9, 2]), ([0, 1, 2], [5, 12, 11]), ([0, 2], [4, 7]))
# Copying more than this together takes longer than the modules of a model.
MOST_COPIED_BYTES = 2**22


@dataclass
class DecodeStep:
    """One token for each of some slots, in tensors only; see ``PackedStep``.

    ``first`` [] is the first of neighbouring slots, None for scattered ones; ``masks`` the mask of
    every window.
    """

    slots: Tensor
    positions: Tensor
    first: Tensor | None
    masks: dict[int | None, Tensor]
    _rows: dict[int, Tensor] = field(default_factory=dict)

    def rows(self, memory: KVCache, kv_heads: int) -> Tensor:
        if kv_heads not in self._rows:
            self._rows[kv_heads] = memory.rows(self.slots, self.positions, kv_heads)
        return self._rows[kv_heads]

    def attend(self, layer: int, query: Tensor, memory: KVCache, extras: Extras) -> Tensor:
        mask = self.masks[extras.window]
        if self.first is None:
            keys, values = memory.gather(layer, self.slots, mask.shape[-1])
        else:
            keys, values = memory.read_from(layer, self.first, query.shape[1], mask.shape[-1])
        queries = query.transpose(0, 1)[:, :, None]
        return attend_one(queries, keys, values, mask, extras)[:, :, 0]


class _Forward(nn.Module):
    """The model as a function of the tensors of a decode step."""

    def __init__(self, model: nn.Module, attention: PackedAttention, *, scattered: bool) -> None:
        super().__init__()
        self.model = model
        self._attention = attention
        self._scattered = scattered
        self.windows = sorted(attention.windows, key=lambda window: window or 0)

    def forward(self, packed: Tensor, first: Tensor, *masks: Tensor) -> Tensor:
        by_window = dict(zip(self.windows, masks, strict=True))
        start = None if self._scattered else first
        self._attention.step = DecodeStep(packed[2], packed[1], start, by_window)
        output = self.model(input_ids=packed[0:1], position_ids=packed[1:2], use_cache=False)
        logits: Tensor = output.logits[0]
        return logits


class RecordedDecode:
    """``run`` gives the logits of a decode step, or None for one that is not worth it."""

    def __init__(self, model: PreTrainedModel, attention: PackedAttention) -> None:
        self._dtype = attention.memory.dtype
        self._token_bytes = bytes_per_token(attention.memory.shapes, self._dtype)
        self._windows: list[int | None] = sorted(attention.windows, key=lambda one: one or 0)
        rows = min(2, attention.memory.slots)
        example = self._inputs(_trial(list(range(rows)), [4, 3][:rows], model), 0, 4)
        self._neighbours, self._scattered = (
            _record(_Forward(model, attention, scattered=scattered), example)
            for scattered in (False, True)
        )

    def run(self, packed: Tensor, slots: Sequence[int], spans: int, longest: int) -> Tensor | None:
        """[rows, vocabulary] for token ids, positions and slots [3, rows].

        ``slots`` ascend; ``spans`` is how many runs of neighbours they are in.
        """
        if spans == 1:
            return self._run(self._neighbours, packed, slots[0], longest)
        if len(slots) * longest * self._token_bytes <= MOST_COPIED_BYTES:
            return self._run(self._scattered, packed, slots[0], longest)
        return None

    def _run(self, recording: Any, packed: Tensor, first: int, longest: int) -> Tensor:
        logits: Tensor = recording(*self._inputs(packed, first, longest))
        return logits

    def _inputs(self, packed: Tensor, first: int, longest: int) -> tuple[Tensor, ...]:
        positions = packed[1][:, None]
        masks = [causal_mask(positions, longest, window, self._dtype) for window in self._windows]
        return (packed, torch.tensor(first), *masks)


def _record(forward: _Forward, example: tuple[Tensor, ...]) -> Any:
    with warnings.catch_warnings(record=True) as caught, torch.inference_mode():
        warnings.simplefilter("always")
        recording: Any = torch.jit.trace(forward, example, check_trace=False)
    told = [one for one in caught if one.category.__name__ == "TracerWarning"]
    if told:  # a decision by numbers, which would be the same for ever after
        raise ValueError(f"{told[0].filename}:{told[0].lineno}: {told[0].message}")
    return recording


def record_decode(model: PreTrainedModel, attention: PackedAttention) -> RecordedDecode | None:
    """None where decode steps of this model cannot be recorded, or not rightly."""
    config = model.config.get_text_config(decoder=True)
    if model.device.type != "cpu" or any(getattr(config, name, None) for name in EXPERTS):
        return None
    try:
        recorded = RecordedDecode(model, attention)
        trials = [one for one in TRIALS if max(one[0]) < attention.memory.slots]
        if all(_answers_alike(recorded, model, attention, *trial) for trial in trials):
            return recorded
        logger.warning("A recorded decode step answers differently; recording is off.")
    except Exception as error:  # whatever tracing says: the model runs without it as well
        logger.info("Decode steps of this model are not recorded: %s", error)
    finally:
        attention.step = None
    return None


def _answers_alike(
    recorded: RecordedDecode,
    model: PreTrainedModel,
    attention: PackedAttention,
    slots: list[int],
    lengths: list[int],
) -> bool:
    packed, spans = _trial(slots, lengths, model), decode_spans(slots, lengths)
    called: Any = model
    with torch.inference_mode():
        attention.step = PackedStep(packed[2], packed[1], spans)
        known = called(input_ids=packed[0:1], position_ids=packed[1:2], use_cache=False).logits[0]
        logits = recorded.run(packed, slots, len(spans), max(lengths))
    return logits is None or torch.allclose(logits.float(), known.float(), rtol=1e-2, atol=1e-3)


def _trial(slots: list[int], lengths: list[int], model: PreTrainedModel) -> Tensor:
    inner: Any = model
    vocabulary = inner.get_input_embeddings().weight.shape[0]
    ids = [(7 + 11 * slot) % vocabulary for slot in slots]
    return torch.tensor([ids, [length - 1 for length in lengths], slots])
