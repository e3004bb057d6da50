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


def a_config(family: str) -> Any:
    """Two layers, a context of 128, the special tokens of ``a_tokenizer``."""
    import transformers as hf

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
    match family:
        case "llama":
            return hf.LlamaConfig(**ids, **attention)
        case "qwen3":
            return hf.Qwen3Config(**ids, **attention)
        case "gemma":
            return hf.GemmaConfig(**ids, **attention)
        case "gpt2":
            return hf.GPT2Config(**ids, n_embd=32, n_layer=2, n_head=4, n_positions=128)
        case "mamba":
            return hf.MambaConfig(**ids, hidden_size=32, num_hidden_layers=2, state_size=8)
    raise ValueError(family)


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
