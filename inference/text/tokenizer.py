"""A model's tokenizer: text to ids, with and without its control tokens, and back.

Loaded by transformers' fast tokenizer class (which imports no torch), used through the Rust
object below it. Does not know chats or templates.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as RustTokenizer

from inference.text.errors import TokenizerError
from inference.text.model_files import model_folder

BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>\Z")


@dataclass(frozen=True)
class Span:
    """Characters ``start`` to ``end`` of a text that the tokenizer takes for a control token."""

    start: int
    end: int


class Tokenizer:
    def __init__(
        self,
        rust: RustTokenizer,
        chat_template: str | None = None,
        special_tokens: dict[str, Any] | None = None,
    ) -> None:
        self._rust = rust
        # A second object, because the switch is part of the tokenizer's state.
        described = rust.to_str()
        self._plain = RustTokenizer.from_str(described)
        self.fingerprint = hashlib.sha256(described.encode()).hexdigest()[:16]
        self._plain.encode_special_tokens = True
        added = rust.get_added_tokens_decoder()
        self.control_ids = frozenset(id for id, token in added.items() if token.special)
        self.chat_template = chat_template
        # bos_token, eos_token and so on, as chat templates name them.
        self.special_tokens = special_tokens or {}
        self._byte_ids = self._find_byte_ids()

    @classmethod
    def load(cls, model: str) -> Tokenizer:
        """From a folder or a hub id. Raises TokenizerError with a sentence."""
        folder = model_folder(model)
        if not (folder / "tokenizer.json").is_file():
            raise TokenizerError(
                f"The model {model!r} has no tokenizer.json. Only models with a fast tokenizer "
                "can be served; transformers can convert most others with save_pretrained()."
            )
        return cls._load_folder(folder)

    @classmethod
    def _load_folder(cls, folder: Path) -> Tokenizer:
        from transformers import PreTrainedTokenizerFast

        try:
            fast = PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
        except Exception as error:
            raise TokenizerError(f"The tokenizer in {folder} cannot be read: {error}") from error
        template = fast.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        rust = fast.backend_tokenizer
        rust.no_padding()
        rust.no_truncation()
        return cls(rust, template, dict(fast.special_tokens_map))

    @property
    def eos_token_ids(self) -> frozenset[int]:
        eos = self.special_tokens.get("eos_token")
        found = self._rust.token_to_id(str(eos)) if eos else None
        return frozenset() if found is None else frozenset([found])

    def encode(self, text: str) -> list[int]:
        """Control tokens in the text count as such; none are added around it."""
        ids: list[int] = self._rust.encode(text, add_special_tokens=False).ids
        return ids

    def encode_plain(self, text: str) -> list[int]:
        """No control token comes out of this, whatever the text says."""
        ids: list[int] = self._plain.encode(text, add_special_tokens=False).ids
        if len(text) > 1 and not self.control_ids.isdisjoint(ids):
            # A vocabulary whose ordinary model knows the literal too: cut it in two.
            return self.encode_plain(text[:1]) + self.encode_plain(text[1:])
        return [id for id in ids if id not in self.control_ids]

    def control_spans(self, text: str) -> list[Span]:
        """Where ``encode`` would see control tokens, in order."""
        encoding = self._rust.encode(text, add_special_tokens=False)
        if self.control_ids.isdisjoint(encoding.ids):
            return []
        pairs = zip(encoding.ids, encoding.offsets, strict=True)
        return [Span(*offsets) for id, offsets in pairs if id in self.control_ids]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of these ids, control tokens left out."""
        text: str = self._rust.decode(list(token_ids), skip_special_tokens=True)
        return text

    def is_control(self, token_id: int) -> bool:
        return token_id in self.control_ids

    def is_byte(self, token_id: int) -> bool:
        """True for a byte-fallback token, whose text depends on its neighbours."""
        return token_id in self._byte_ids

    def _find_byte_ids(self) -> frozenset[int]:
        vocabulary = self._rust.get_vocab(with_added_tokens=False)
        return frozenset(id for token, id in vocabulary.items() if BYTE_TOKEN.match(token))
