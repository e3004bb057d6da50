"""What is found out about a model before a runner is trusted with it.

Measured on the model itself by running it, as configs have too many dialects to be read.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, PreTrainedModel

from inference.engine.attention import PackedAttention
from inference.engine.errors import UnsupportedModel
from inference.engine.kv_cache import KVCache, LayerShape
from inference.engine.model_facts import vocabulary_of
from inference.engine.packed import PackedRunner
from inference.engine.prefill_budget import PrefillBudget
from inference.engine.requests import EngineRequest
from inference.engine.sampling_params import SamplingParams
from inference.engine.scheduler import Scheduler
from inference.engine.slots import SlotTable

RECORDER = "chatsite_recorder"
KNOWN_LAYERS = {"full_attention", "sliding_attention"}
LENGTH_DEPENDENT = {"dynamic", "longrope"}
PROBE_LENGTHS = (19, 12)
PROBE_CHUNK = 7
PROBE_ENDS = 4  # the last positions of each sequence, one decode step each but the first
# Relative error of the logits that rounding explains; wrong attention is off by about 1.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.1, torch.float16: 0.05}


def check_declared(model: PreTrainedModel, length: int) -> None:
    """Raises UnsupportedModel where the model says itself that its attention cannot be replaced.

    ``length`` is the context it is to be served with.
    """
    declared: Any = model
    if not getattr(declared, "_supports_attention_backend", False):
        raise UnsupportedModel("Its attention does not go through transformers' interface.")
    config = declared.config.get_text_config(decoder=True)
    unknown = set(getattr(config, "layer_types", None) or []) - KNOWN_LAYERS
    if unknown:
        raise UnsupportedModel(f"It has layers of the kind {', '.join(sorted(unknown))}.")
    _check_positions(config, length)


def _check_positions(config: Any, length: int) -> None:
    """Positions that depend on the longest chat of a step would differ with who is beside."""
    rope = getattr(config, "rope_parameters", None) or {}
    own = getattr(config, "original_max_position_embeddings", None)
    for one in [rope, *(value for value in rope.values() if isinstance(value, dict))]:
        if one.get("rope_type") not in LENGTH_DEPENDENT:
            continue
        limits = (one.get("original_max_position_embeddings"), own, config.max_position_embeddings)
        short = next(limit for limit in limits if limit)
        if length > short:
            raise UnsupportedModel(
                f"Its positions change beyond {short} tokens; set CHATSITE_MAX_MODEL_LEN={short}."
            )


def attention_shapes(model: PreTrainedModel) -> tuple[dict[int, LayerShape], torch.dtype]:
    """What each layer stores per token, and in which dtype. The model's attention is put back."""
    shapes: dict[int, LayerShape] = {}
    dtypes: set[torch.dtype] = set()

    def record(
        module: Any, query: Tensor, key: Tensor, value: Tensor, *args: Any, **options: Any
    ) -> tuple[Tensor, None]:
        if module.layer_idx in shapes:
            raise UnsupportedModel("Two of its attention layers have one number.")
        shapes[module.layer_idx] = LayerShape(key.shape[1], key.shape[3], value.shape[3])
        dtypes.add(key.dtype)
        _check_window(module, options)
        heads, tokens = query.shape[1], query.shape[2]
        return value.new_zeros(1, tokens, heads, value.shape[3]), None

    interface: Any = AttentionInterface
    interface.register(RECORDER, record)
    before = model.config._attn_implementation
    try:
        model.set_attn_implementation(RECORDER)
        plain_logits(model, [0], 1)
    finally:
        model.set_attn_implementation(before)
        interface._global_mapping.pop(RECORDER, None)
    if not shapes or len(dtypes) != 1:
        raise UnsupportedModel("It has no attention layers, or some of another dtype.")
    return shapes, dtypes.pop()


def _check_window(module: Any, options: dict[str, Any]) -> None:
    """A layer with a window must tell it to the attention: there is no mask that would know."""
    if getattr(module, "is_causal", True) is False:
        raise UnsupportedModel("It has attention that is not causal.")
    config: Any = getattr(module, "config", None)
    kinds = getattr(config, "layer_types", None) or []
    index = module.layer_idx
    slides = index < len(kinds) and kinds[index] == "sliding_attention"
    slides = slides or not kinds
    if slides and getattr(config, "sliding_window", None) and not options.get("sliding_window"):
        raise UnsupportedModel("It does not tell its attention the sliding window.")


def plain_logits(model: PreTrainedModel, token_ids: list[int], last: int) -> Tensor:
    """[last, vocabulary] of the model by itself, in float32, without any cache."""
    called: Any = model
    with torch.inference_mode():
        inputs = torch.tensor([token_ids], device=model.device)
        logits: Tensor = called(input_ids=inputs, use_cache=False).logits
        return logits[0, -last:].float()


def probe_prompts(vocabulary: int) -> list[list[int]]:
    return [
        [(start + 7919 * i) % vocabulary for i in range(length)]
        for start, length in zip((13, 101), PROBE_LENGTHS, strict=True)
    ]


def reference_logits(model: PreTrainedModel) -> list[Tensor]:
    prompts = probe_prompts(vocabulary_of(model))
    return [plain_logits(model, prompt, PROBE_ENDS) for prompt in prompts]


def packed_logits(model: PreTrainedModel, attention: PackedAttention) -> list[Tensor]:
    """The same positions by the packed runner: in chunks, side by side, then token by token."""
    prompts = probe_prompts(vocabulary_of(model))
    memory = attention.memory
    budget = PrefillBudget(PROBE_CHUNK, PROBE_CHUNK)
    scheduler = Scheduler(SlotTable(memory.slots), budget)
    runner = PackedRunner(model, attention, scheduler)
    made: dict[str, list[Tensor]] = {str(i): [] for i in range(len(prompts))}
    params = SamplingParams(temperature=0.0, seed=0)
    for name, prompt in zip(made, prompts, strict=True):
        runner.add(EngineRequest(name, prompt[: 1 - PROBE_ENDS], params))
    with torch.inference_mode():
        while any(len(logits) < PROBE_ENDS for logits in made.values()):
            plan = scheduler.plan()
            logits = runner.forward(plan)
            scheduler.commit(plan)
            finishing = [chunk.sequence for chunk in plan.chunks if chunk.last]
            for row, sequence in enumerate(finishing):
                assert logits is not None
                made[sequence.id].append(logits[row].float())
                length = len(sequence.token_ids)
                following = prompts[int(sequence.id)][length : length + 1]
                sequence.token_ids.extend(following)
                if not following:
                    scheduler.fail(sequence.id)
    return [torch.stack(logits) for logits in made.values()]


def agree(reference: list[Tensor], logits: list[Tensor], dtype: torch.dtype) -> bool:
    """Most positions within rounding (a mixture of experts may flip one), and none far off."""
    errors = torch.cat(
        [
            (two - one).norm(dim=-1) / one.norm(dim=-1)
            for one, two in zip(reference, logits, strict=True)
        ]
    )
    limit = TOLERANCE.get(dtype, 0.1)
    return bool(errors.median() <= limit and errors.max() <= max(0.5, limit))


def probe_memory(
    shapes: dict[int, LayerShape],
    dtype: torch.dtype,
    device: Any,
    kind: type[KVCache] = KVCache,
) -> KVCache:
    """Just enough for the probe's two sequences."""
    return kind(shapes, len(PROBE_LENGTHS), max(PROBE_LENGTHS) + 1, dtype, device)
