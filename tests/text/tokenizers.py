"""Tokenizers of different builds, small and made on the spot."""

from __future__ import annotations

from tokenizers import AddedToken, decoders, models, normalizers, pre_tokenizers
from tokenizers import Tokenizer as RustTokenizer

from inference.text.tokenizer import Tokenizer
from tests.engine.models import CHAT_TEMPLATE, a_tokenizer

SPECIAL = {"bos_token": "<|endoftext|>", "eos_token": "<|im_end|>"}


def byte_level() -> Tokenizer:
    """Like GPT-2, Llama 3, Qwen."""
    return Tokenizer(a_tokenizer(), CHAT_TEMPLATE, SPECIAL)


def sentencepiece() -> Tokenizer:
    """Like Llama 2: words carry the space before them, rare characters fall back to bytes."""
    pieces = ["<unk>", "<s>", "</s>"]
    pieces += [f"<0x{byte:02X}>" for byte in range(256)]
    pieces += ["▁", "h", "e", "l", "o", "w", "r", "d", ".", "あ", "い", "🙂", "\ufffd"]
    pieces += ["▁h", "el", "lo", "▁hel", "▁hello", "▁w", "or", "ld", "▁wor", "▁world"]
    merges = [("▁", "h"), ("e", "l"), ("l", "o"), ("▁h", "el"), ("▁hel", "lo")]
    merges += [("▁", "w"), ("o", "r"), ("l", "d"), ("▁w", "or"), ("▁wor", "ld")]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    rust = RustTokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", byte_fallback=True))
    rust.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    rust.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    rust.add_special_tokens([AddedToken(token, special=True) for token in ("<s>", "</s>")])
    return Tokenizer(rust, CHAT_TEMPLATE, {"bos_token": "<s>", "eos_token": "</s>"})


def unigram() -> Tokenizer:
    """A vocabulary whose ordinary model knows the control literal too."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), *((character, -3.0) for character in "<s>abc▁")]
    rust = RustTokenizer(models.Unigram([*dict(pieces).items()], unk_id=0))
    rust.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
    rust.decoder = decoders.Metaspace(prepend_scheme="never")
    rust.add_special_tokens([AddedToken("<s>", special=True)])
    return Tokenizer(rust, CHAT_TEMPLATE, {"bos_token": "<s>"})
