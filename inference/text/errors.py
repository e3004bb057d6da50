"""What can go wrong with text.

TextError           has a ``code`` for programs; its text is a sentence for people
├── TokenizerError  the model's tokenizer or chat template cannot be used at all
├── InvalidPrompt   these messages cannot be rendered
└── TooLong         the newest message alone does not fit the context
"""

from __future__ import annotations


class TextError(Exception):
    code = "engine_error"


class TokenizerError(TextError):
    """Ends the start of a worker."""


class InvalidPrompt(TextError):
    code = "invalid"


class TooLong(TextError):
    code = "too_long"
