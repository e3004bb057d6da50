"""A step recorded once, so that Python need not walk through the model's modules again.

On a CPU a small model spends half of a step in Python. ``torch.jit.trace`` writes down the
operations of one step, with tokens and slots as they come; attention, whose calls depend on the
step, is taken as a function of TorchScript. Measured: docs/benchmarks.md. The recording is used
only where it is proven to answer as the model does.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inference.engine.attention import PackedAttention
from inference.engine.attention_kernels import View, attend_spans
from inference.engine.kv_cache import KVCache
from inference.engine.model_facts import keeps_rows, vocabulary_of
from inference.engine.packed_step import PackedStep, Sight, Span, decode_spans, sight_of
from inference.engine.torch_script import in_torch_script

logger = logging.getLogger(__name__)

# Which of its experts a token takes is not the same in every step: nothing to record.
# PyTorch's compiler has been seen to fail once with an error of its own, and not the next time.
TRIES = 2
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts")


@dataclass(frozen=True)
class Trial:
    """A step to record or to check with: slots that get a token, with what they hold then, and
    chunks of prompts, each (slot, first position, tokens).
    """

    decode: dict[int, int]
    chunks: tuple[tuple[int, int, int], ...] = ()

    def fits(self, memory: KVCache) -> bool:
        slots = [*self.decode, *(slot for slot, _, _ in self.chunks)]
        ends = [*self.decode.values(), *(start + count for _, start, count in self.chunks)]
        return max(slots) < memory.slots and max(ends) <= memory.length

    def step(self, vocabulary: int) -> tuple[list[Span], Tensor]:
        """Its spans, and token ids, positions and slots [3, tokens]."""
        positions, slots = [length - 1 for length in self.decode.values()], [*self.decode]
        spans = decode_spans(slots, [*self.decode.values()])
        for slot, start, count in self.chunks:
            spans.append(Span(len(slots), 1, count, slot, [start + count]))
            positions += range(start, start + count)
            slots += [slot] * count
        ids = [(7 + 11 * at) % vocabulary for at in range(len(slots))]
        return spans, torch.tensor([ids, positions, slots])


# Only its kinds of calls matter, so that it may sit in one slot.
EXAMPLE = Trial({0: 2}, ((0, 0, 2),))
TRIALS = (
    *(Trial({0: 3}), Trial({1: 9, 2: 2}), Trial({0: 4, 2: 7}), Trial({0: 5, 1: 12, 2: 11})),
    *(Trial({}, ((0, 0, 7),)), Trial({}, ((0, 3, 1), (1, 0, 5))), Trial({0: 3}, ((1, 4, 5),))),
    Trial({0: 14, 2: 7}, ((1, 0, 2), (3, 9, 6))),
)


class _Forward(nn.Module):
    """The model as a function of the tensors of a step."""

    def __init__(self, model: nn.Module, attention: PackedAttention, views: list[View]) -> None:
        super().__init__()
        self.model = model
        self._attention = attention
        self._views = views
        self._attend_by = in_torch_script(attend_spans)

    def forward(self, packed: Tensor, kept: Tensor, *sights: Tensor) -> Tensor:
        """packed [3, tokens], kept [rows]; of every view a table and masks. Logits [rows, words]"""
        pairs = zip(sights[::2], sights[1::2], strict=True)
        given = {view: Sight(*pair) for view, pair in zip(self._views, pairs, strict=True)}
        self._attention.step = PackedStep(packed[2], packed[1], [], given, self._attend_by)
        output = self.model(
            input_ids=packed[0:1], position_ids=packed[1:2], use_cache=False, logits_to_keep=kept
        )
        logits: Tensor = output.logits[0]
        return logits


class RecordedStep:
    def __init__(self, model: PreTrainedModel, attention: PackedAttention) -> None:
        """Raises whatever tracing says of a model that cannot be recorded."""
        self._dtype = attention.memory.dtype
        self._device = torch.device("cpu")
        self._views = sorted(attention.views, key=lambda view: view.window or 0)
        forward = _Forward(model, attention, self._views)
        spans, packed = EXAMPLE.step(vocabulary_of(model))
        self._recording = _record(forward, self._inputs(spans, packed, [0, 2]))

    def run(self, spans: list[Span], packed: Tensor, kept: Sequence[int]) -> Tensor:
        """Logits [kept, vocabulary] for token ids, positions and slots [3, tokens]."""
        logits: Tensor = self._recording(*self._inputs(spans, packed, kept))
        return logits

    def _inputs(self, spans: list[Span], packed: Tensor, kept: Sequence[int]) -> tuple[Tensor, ...]:
        sights = [sight_of(spans, view, self._dtype, self._device) for view in self._views]
        parts = [part for sight in sights for part in (sight.table, sight.masks)]
        return (packed, torch.tensor(kept, dtype=torch.long), *parts)


def _record(forward: _Forward, example: tuple[Tensor, ...]) -> Any:
    with warnings.catch_warnings(record=True) as caught, torch.inference_mode():
        warnings.simplefilter("always")
        recording: Any = torch.jit.trace(forward, example, check_trace=False)
    told = [one for one in caught if one.category.__name__ == "TracerWarning"]
    if told:  # a decision by numbers, which would be the same for ever after
        raise ValueError(f"{told[0].filename}:{told[0].lineno}: {told[0].message}")
    return recording


def record_step(model: PreTrainedModel, attention: PackedAttention) -> RecordedStep | None:
    """None where steps of this model cannot be recorded, or not rightly."""
    config = model.config.get_text_config(decoder=True)
    experts = any(getattr(config, name, None) for name in EXPERTS)
    packed_by_us = attention.make_step is PackedStep
    if model.device.type != "cpu" or experts or not keeps_rows(model) or not packed_by_us:
        return None
    failure: Exception | None = None
    for _ in range(TRIES):
        try:
            return _proven(RecordedStep(model, attention), model, attention)
        except Exception as error:  # whatever tracing says: the model runs without it as well
            failure = error
        finally:
            attention.step = None
    logger.info("Steps of this model are not recorded: %s", failure)
    return None


def _proven(
    recorded: RecordedStep, model: PreTrainedModel, attention: PackedAttention
) -> RecordedStep | None:
    """The recording, if it answers steps of every kind as the modules do."""
    trials = [trial for trial in TRIALS if trial.fits(attention.memory)]
    if all(_answers_alike(recorded, model, attention, trial) for trial in trials):
        return recorded
    logger.warning("A recorded step answers differently; none is used.")
    return None


def _answers_alike(
    recorded: RecordedStep, model: PreTrainedModel, attention: PackedAttention, trial: Trial
) -> bool:
    spans, packed = trial.step(vocabulary_of(model))
    called = cast(Any, model)
    with torch.inference_mode():
        attention.step = PackedStep(packed[2], packed[1], spans)
        known = called(input_ids=packed[0:1], position_ids=packed[1:2], use_cache=False).logits[0]
        logits = recorded.run(spans, packed, range(packed.shape[1]))
    return torch.allclose(logits.float(), known.float(), rtol=1e-2, atol=1e-3)
