"""Models to measure with: known sizes with random weights, or any model's own weights."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedModel, Qwen3Config

from inference.engine.loader import load_model
from inference.engine.weights import find_weights

# Of the bundled model, SmolLM2-135M, Qwen3-0.6B, Llama-3.2-1B and Llama-3.1-8B.
SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {
        "hidden_size": 256,
        "intermediate_size": 704,
        "num_hidden_layers": 7,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 32,
        "vocab_size": 3072,
        "tie_word_embeddings": True,
    },
    "135m": {
        "hidden_size": 576,
        "intermediate_size": 1536,
        "num_hidden_layers": 30,
        "num_attention_heads": 9,
        "num_key_value_heads": 3,
        "vocab_size": 49152,
        "tie_word_embeddings": True,
    },
    "0.6b": {
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_hidden_layers": 28,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "tie_word_embeddings": True,
    },
    "1b": {
        "hidden_size": 2048,
        "intermediate_size": 8192,
        "num_hidden_layers": 16,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "vocab_size": 128256,
        "tie_word_embeddings": True,
    },
    "8b": {
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 128256,
        "tie_word_embeddings": False,
    },
}


def a_model(
    name: str, dtype: torch.dtype, device: torch.device, context: int, seed: int
) -> PreTrainedModel:
    """A named shape with room for ``context`` tokens, or a folder or hub id. Never stops by itself.

    Raises LoadError with a sentence.
    """
    if name in SHAPES:
        model = _random_model(name, dtype, device, context, seed)
    else:
        model = load_model(find_weights(name, lambda progress: None), dtype, device)
    generation: Any = model.generation_config
    generation.eos_token_id = None
    generation.pad_token_id = 0
    return model


def _random_model(
    name: str, dtype: torch.dtype, device: torch.device, context: int, seed: int
) -> PreTrainedModel:
    config_class = Qwen3Config if name == "0.6b" else LlamaConfig
    config: Any = config_class(**SHAPES[name], max_position_embeddings=context)
    torch.manual_seed(seed)
    with torch.device(device):
        model: PreTrainedModel = AutoModelForCausalLM.from_config(config, dtype=dtype).eval()
    return model
