"""The mock engine: repeatable text at a chosen rate and faults on demand (``mock_runner``).

Same process, same client, same events as the local one; only model and tokenizer are missing.
"""

from __future__ import annotations

from collections.abc import Sequence

from inference.backends.base import BackendOptions, Generation
from inference.backends.engine_backend import EngineBackend
from inference.engine import mock_words
from inference.engine.options import MockOptions
from inference.engine.process import MOCK_ENGINE, EngineClient
from inference.text.chat_template import Message, check_message
from inference.text.context import FittedPrompt, fit


class MockCodec:
    """One token for each character of the prompt; whole words come back."""

    def load(self) -> None:
        """Nothing to read."""

    def eos_token_ids(self) -> frozenset[int]:
        return frozenset()

    def vocabulary(self) -> str:
        return "mock"

    def encode_text(self, text: str) -> list[int]:
        return [*map(ord, text)]

    def fit(self, generation: Generation, max_model_len: int) -> FittedPrompt:
        return fit(generation.messages, encode_chat, max_model_len, generation.params.max_tokens)

    def decode(self, token_ids: Sequence[int]) -> str:
        return mock_words.decode(token_ids)

    def is_control(self, token_id: int) -> bool:
        return False

    def is_byte(self, token_id: int) -> bool:
        return False


def encode_chat(messages: Sequence[Message]) -> list[int]:
    ids: list[int] = []
    for message in messages:
        check_message(message)
        ids.extend(mock_words.encode_message(message["role"], message["content"]))
    return [*ids, mock_words.ROLE_MARKS["assistant"]]


def create_mock_backend(options: BackendOptions) -> EngineBackend:
    engine = MockOptions(
        rate=options.mock_rate, max_model_len=options.max_model_len, slots=options.slots
    )
    client = EngineClient(MOCK_ENGINE, engine)
    return EngineBackend("mock", client, MockCodec())
