"""Loads a model and makes it ready to answer: the real engine's factory.

Imported by the engine process only, as it imports torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedModel
from transformers.utils import logging as transformers_logging

from inference.engine.choice import choose_runner
from inference.engine.errors import LoadError
from inference.engine.events import LoadProgress
from inference.engine.interleaved import InterleavedRunner
from inference.engine.options import EngineInfo, EngineOptions
from inference.engine.requests import EngineRequest
from inference.engine.runner import Fault, Runner
from inference.engine.sampling_params import SamplingParams
from inference.engine.weights import find_weights

# A step of the interleaved runner reads whole prompts, of several requests one after the other.
HANG_SECONDS = {"packed": 120.0, "interleaved": 600.0}
# Enough for the engine to know how long a step takes once everything is compiled.
WARM_UP_STEPS = 8
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
# Where a model's config names no limit (Mamba has none): enough for a long chat.
UNLIMITED_CONTEXT = 8192
CONTEXT_NAMES = ("max_position_embeddings", "n_positions", "max_sequence_length", "seq_length")


def build(
    options: EngineOptions, on_progress: Callable[[LoadProgress], None]
) -> tuple[Runner, EngineInfo]:
    """The factory of the engine process (see ``process.REAL_ENGINE``)."""
    torch.set_num_threads(options.threads or max(1, (os.cpu_count() or 1) - 1))
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, device)
    folder = find_weights(options.model, on_progress)
    on_progress(LoadProgress("reading weights", None, options.model))
    model = load_model(folder, dtype, device)
    on_progress(LoadProgress("warming up", None))
    chosen = choose_runner(
        model,
        slots=options.slots,
        max_model_len=context_length(model.config, options.max_model_len),
        fixed_length=options.max_model_len is not None,
    )
    warm_up(chosen.runner)
    info = EngineInfo(
        model=display_name(options.model),
        device=_device_name(device),
        dtype=str(dtype).removeprefix("torch."),
        max_model_len=chosen.max_model_len,
        eos_token_ids=eos_token_ids(model),
        slots=chosen.slots,
        runner=chosen.kind,
        hang_seconds=HANG_SECONDS[chosen.kind],
    )
    return chosen.runner, info


def choose_device(wanted: str) -> torch.device:
    if wanted == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(wanted)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise LoadError(f"The device {wanted!r} cannot be used here: {error}") from error
    return device


def choose_dtype(wanted: str, device: torch.device) -> torch.dtype:
    """bfloat16 on a GPU; on a CPU float32, whose greedy output is exact."""
    if wanted == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if wanted not in DTYPES:
        raise LoadError(f"The dtype must be auto or one of {', '.join(DTYPES)}, not {wanted!r}.")
    return DTYPES[wanted]


def load_model(folder: Path, dtype: torch.dtype, device: torch.device) -> PreTrainedModel:
    logging_of_transformers: Any = transformers_logging
    logging_of_transformers.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        if config.is_encoder_decoder:
            raise LoadError("Models with an encoder and a decoder cannot chat; use a causal one.")
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
        )
        ready: PreTrainedModel = model.to(device).eval()
    except LoadError:
        raise
    except Exception as error:  # damaged files raise whatever their reader raises
        raise LoadError(f"The model in {folder} cannot be loaded: {error}") from error
    return ready


def context_length(config: Any, wanted: int | None) -> int:
    """The model's own limit, or less where less is wanted."""
    text_config = config.get_text_config(decoder=True)
    limits = [getattr(text_config, name, None) for name in CONTEXT_NAMES]
    own = next((limit for limit in limits if isinstance(limit, int) and limit > 0), None)
    known = [limit for limit in (own, wanted) if limit]
    return min(known, default=UNLIMITED_CONTEXT)


def eos_token_ids(model: PreTrainedModel) -> frozenset[int]:
    """Of generation config and config; each may name none, one or several."""
    ids: set[int] = set()
    for config in (model.generation_config, model.config):
        named = getattr(config, "eos_token_id", None)
        ids.update([named] if isinstance(named, int) else named or [])
    return frozenset(ids)


def warm_up(runner: Runner) -> None:
    """Some tokens of a throw-away request, sampled in most ways: the first user waits less.

    Also proves that the model runs at all before anybody is told that it is ready.
    """
    params = SamplingParams(
        temperature=1.0, top_k=2, top_p=0.9, min_p=0.01, repetition_penalty=1.1, seed=0
    )
    runner.add(EngineRequest("warm-up", [0, 0], params))
    for _ in range(WARM_UP_STEPS):
        for result in runner.step():
            if isinstance(result, Fault):
                raise LoadError(f"The model does not run: {result.detail}")
    runner.remove("warm-up")
    if isinstance(runner, InterleavedRunner) and runner.mixes_sequences():
        raise LoadError(
            "This model keeps the state of a request in its own layers, so that it can answer only "
            "one person at a time; it cannot be served here."
        )


def display_name(model: str) -> str:
    """A hub id as it is; of a folder its name, or its parent's where the name says nothing."""
    path = Path(model).expanduser()
    if not path.is_dir():
        return model
    path = path.resolve()
    return path.parent.name if path.name in ("weights", "model") else path.name


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return str(device)
