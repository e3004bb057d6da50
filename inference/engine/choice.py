"""Which runner serves a model: packed where that is proven right, else interleaved."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from inference.engine import probe, varlen
from inference.engine.attention import MakeStep, PackedAttention
from inference.engine.cpu_linear import pack_linears
from inference.engine.errors import LoadError, UnsupportedModel
from inference.engine.interleaved import InterleavedRunner
from inference.engine.kv_cache import KVCache, LayerShape, bytes_per_token
from inference.engine.memory import free_bytes, is_out_of_memory, plan_slots
from inference.engine.packed import PackedRunner
from inference.engine.packed_step import PackedStep
from inference.engine.prefill_budget import PrefillBudget
from inference.engine.recorded_step import record_step
from inference.engine.scheduler import Scheduler
from inference.engine.slots import SlotTable
from inference.engine.varlen import TokenMajorCache, VarlenStep

logger = logging.getLogger(__name__)

DEFAULT_SLOTS = 16
# Prompt tokens of one step: most without anybody waiting, least beside others.
PREFILL = {"cuda": (2048, 64), "cpu": (512, 4)}


@dataclass(frozen=True)
class Chosen:
    """``reason`` says why the packed runner was not taken, else ''."""

    runner: PackedRunner | InterleavedRunner
    kind: str
    slots: int
    max_model_len: int
    reason: str = ""


@dataclass(frozen=True)
class _Wanted:
    slots: int
    length: int
    fixed_length: bool
    most_prefill: int | None


def choose_runner(
    model: PreTrainedModel,
    *,
    slots: int | None,
    max_model_len: int,
    fixed_length: bool = False,
    kind: str = "auto",
    most_prefill: int | None = None,
) -> Chosen:
    """``kind``: auto, packed (or LoadError) or interleaved. Changes the model for its runner.

    ``most_prefill`` bounds the prompt tokens of a step.
    """
    reason = ""
    try:
        reference = probe.reference_logits(model)
    except Exception as error:
        raise LoadError(f"The model does not run: {error}") from error
    if model.device.type == "cpu":
        _pack_linears(model, reference)
    if kind != "interleaved":
        try:
            wanted = _Wanted(slots or DEFAULT_SLOTS, max_model_len, fixed_length, most_prefill)
            return _packed(model, reference, wanted)
        except UnsupportedModel as error:
            reason = str(error)
            if kind == "packed":
                raise LoadError(f"This model cannot be packed: {reason}") from error
            logger.warning("Requests are decoded in turn, not together: %s", reason)
    places = slots or DEFAULT_SLOTS
    return Chosen(InterleavedRunner(model), "interleaved", places, max_model_len, reason)


def _pack_linears(model: PreTrainedModel, reference: list[torch.Tensor]) -> None:
    pack_linears(model, lambda: probe.plain_logits(model, [0], 1))
    if not probe.agree(reference, probe.reference_logits(model), model.dtype):
        raise LoadError("oneDNN's products disagree with torch's; this CPU is not supported.")


def _packed(model: PreTrainedModel, reference: list[torch.Tensor], wanted: _Wanted) -> Chosen:
    probe.check_declared(model, wanted.length)
    with _as_unsupported("Its attention cannot be looked at"):
        shapes, dtype = probe.attention_shapes(model)
    attention = _proven_attention(model, shapes, dtype, reference)
    device: Any = model.device
    plan = plan_slots(
        bytes_per_token(shapes, dtype),
        free_bytes(device),
        wanted.slots,
        wanted.length,
        fixed=wanted.fixed_length,
    )
    attention.memory = type(attention.memory)(shapes, plan.slots, plan.length, dtype, device)
    most, least = PREFILL.get(device.type, PREFILL["cpu"])
    most = min(most, wanted.most_prefill or most)
    scheduler = Scheduler(SlotTable(plan.slots), PrefillBudget(most, min(least, most)))
    runner = PackedRunner(model, attention, scheduler, record_step(model, attention))
    return Chosen(runner, "packed", plan.slots, plan.length)


def _proven_attention(
    model: PreTrainedModel,
    shapes: dict[int, LayerShape],
    dtype: torch.dtype,
    reference: list[torch.Tensor],
) -> PackedAttention:
    """The first that answers as the model by itself, now in the model; else UnsupportedModel."""
    device: Any = model.device
    ways: list[tuple[type[KVCache], MakeStep]] = [(KVCache, PackedStep)]
    if varlen.is_usable(shapes, dtype, device):
        ways.insert(0, (TokenMajorCache, VarlenStep))
    before = model.config._attn_implementation
    refused = UnsupportedModel("There is no attention for it.")
    for cache, make_step in ways:
        attention = PackedAttention(probe.probe_memory(shapes, dtype, device, cache), make_step)
        try:
            _check_parity(model, attention, reference)
            return attention
        except UnsupportedModel as error:
            logger.warning("Not with %s: %s", cache.__name__, error)
            refused = error
            attention.close()
            model.set_attn_implementation(before)
    raise refused


def _check_parity(
    model: PreTrainedModel, attention: PackedAttention, reference: list[torch.Tensor]
) -> None:
    model.set_attn_implementation(attention.name)
    with _as_unsupported("It does not run packed"):
        logits = probe.packed_logits(model, attention)
    if not probe.agree(reference, logits, model.dtype):
        raise UnsupportedModel("Packed, it answers differently from the model by itself.")


@contextmanager
def _as_unsupported(what: str) -> Iterator[None]:
    """A model's own code may raise anything when it is run in a way it does not expect."""
    try:
        yield
    except UnsupportedModel:
        raise
    except Exception as error:
        if is_out_of_memory(error):
            raise LoadError("There is not enough memory to try this model out.") from error
        raise UnsupportedModel(f"{what}: {type(error).__name__}: {error}") from error
