"""Small random models and a tokenizer, made in a second: for tests of everything that runs one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

VOCABULARY = 320
CHAT_TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
CORPUS = [
    "the quick brown fox jumps over the lazy dog, hello world",
    "user assistant system message queue token",
    "こんにちは世界。日本語の文章です。",
]
FAMILIES = ("llama", "qwen3", "gemma", "gpt2", "mamba")
PACKED = (
    *("llama", "qwen2", "qwen3", "mistral", "mixtral", "gemma", "gemma2", "gemma3", "phi3", "gpt2"),
    *("gpt_neox", "olmo2", "granite", "deepseek_v3", "gpt_oss", "qwen3_moe", "smollm3"),
)
IN_TURN = ("mamba", "bloom", "stablelm", "gptj")


def a_config(family: str) -> Any:
    """Two layers, a context of 128, the special tokens of ``a_tokenizer``."""

    ids: dict[str, Any] = {
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "vocab_size": VOCABULARY,
    }
    attention: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
        "max_position_embeddings": 128,
    }
    if family == "mamba":
        attention = {"hidden_size": 32, "num_hidden_layers": 2}
    return _class_of(family)(**ids, **{**attention, **_details(family)})


def _class_of(family: str) -> Any:
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    return CONFIG_MAPPING[{"gemma3": "gemma3_text"}.get(family, family)]


def _details(family: str) -> dict[str, Any]:
    """What differs: other names for the same, and what is peculiar to an architecture."""
    named: dict[str, Any] = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    details: dict[str, dict[str, Any]] = {
        "gpt2": named,
        "gptj": {**named, "rotary_dim": 8},
        "mamba": {"state_size": 8},
        "bloom": {"n_layer": 2, "n_head": 4},
        "mistral": {"sliding_window": 11},
        "mixtral": {"num_local_experts": 4, "sliding_window": None},
        "qwen3_moe": experts,
        "gemma2": {"sliding_window": 11, "query_pre_attn_scalar": 8},
        "gemma3": {"sliding_window": 11, "query_pre_attn_scalar": 8},
        "gpt_oss": {"sliding_window": 11, "num_local_experts": 4},
        "granite": {"attention_multiplier": 0.3, "logits_scaling": 2.0},
        "deepseek_v3": {
            **{"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1},
            **{"n_group": 1, "topk_group": 1, "first_k_dense_replace": 1},
            **{"moe_intermediate_size": 32, "num_key_value_heads": 4, "head_dim": 4},
            **{"q_lora_rank": 16, "kv_lora_rank": 8, "qk_rope_head_dim": 4},
            **{"qk_nope_head_dim": 8, "v_head_dim": 6},
        },
    }
    return details.get(family, {})


def a_model(family: str = "llama") -> Any:
    """Always the same weights, large enough that greedy output is not one token for ever."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)  # more only get in each other's way at this size
    torch.manual_seed(7)
    model: Any = AutoModelForCausalLM.from_config(a_config(family), dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, 0.3)
    return model.eval()


def a_tokenizer() -> Any:
    """Byte-level BPE with chat tokens, as a ``tokenizers.Tokenizer``."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[AddedToken(token, special=True) for token in SPECIAL_TOKENS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def save_tokenizer(folder: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    fast = PreTrainedTokenizerFast(
        tokenizer_object=a_tokenizer(),
        bos_token="<|endoftext|>",
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
    )
    fast.chat_template = CHAT_TEMPLATE
    fast.save_pretrained(str(folder))


def save_model(folder: Path, family: str = "llama") -> Path:
    """A whole model folder, as a hub model has it."""
    a_model(family).save_pretrained(str(folder))
    save_tokenizer(folder)
    return folder
