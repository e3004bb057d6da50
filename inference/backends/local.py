"""The local engine: a transformers model in a child process of this worker."""

from __future__ import annotations

from collections.abc import Sequence

from inference.backends.base import BackendOptions, Generation
from inference.backends.engine_backend import EngineBackend
from inference.engine.options import EngineOptions
from inference.engine.process import REAL_ENGINE, EngineClient
from inference.text.chat_template import ChatTemplate
from inference.text.context import FittedPrompt, fit
from inference.text.tokenizer import Tokenizer


class ModelCodec:
    """The model's own tokenizer and chat template."""

    def __init__(self, model: str, chat_template: str | None) -> None:
        self._model = model
        self._override = chat_template

    def load(self) -> None:
        self._tokenizer = Tokenizer.load(self._model)
        self._template = ChatTemplate(self._tokenizer, self._override)

    def eos_token_ids(self) -> frozenset[int]:
        return self._tokenizer.eos_token_ids

    def vocabulary(self) -> str:
        return self._tokenizer.fingerprint

    def encode_text(self, text: str) -> list[int]:
        return self._tokenizer.encode_plain(text)

    def fit(self, generation: Generation, max_model_len: int) -> FittedPrompt:
        messages, max_tokens = generation.messages, generation.params.max_tokens
        return fit(messages, self._template.encode, max_model_len, max_tokens)

    def decode(self, token_ids: Sequence[int]) -> str:
        return self._tokenizer.decode(token_ids)

    def is_control(self, token_id: int) -> bool:
        return self._tokenizer.is_control(token_id)

    def is_byte(self, token_id: int) -> bool:
        return self._tokenizer.is_byte(token_id)


def create_local_backend(options: BackendOptions) -> EngineBackend:
    engine = EngineOptions(
        model=options.model,
        device=options.device,
        dtype=options.dtype,
        max_model_len=options.max_model_len,
        slots=options.slots,
        threads=options.threads,
    )
    codec = ModelCodec(options.model, options.chat_template)
    client = EngineClient(REAL_ENGINE, engine)
    return EngineBackend("local", client, codec)
