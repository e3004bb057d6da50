"""What can go wrong in the engine room.

EngineError
├── InvalidParams   a sampling parameter outside its bounds (also a ValueError)
├── RequestError    one request cannot go on; the others do
├── UnsupportedModel  a runner cannot run this model rightly; another one may
└── LoadError       the model cannot be loaded; the text says why and what to do
"""

from __future__ import annotations


class EngineError(Exception):
    """Base of this tree."""


class InvalidParams(EngineError, ValueError):
    """``field`` names the parameter, the text is a sentence for the person who sent it."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(field, sentence)
        self.field = field
        self.sentence = sentence

    def __str__(self) -> str:
        return self.sentence


class RequestError(EngineError):
    """Ends one request with a code for programs and a sentence for people."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return self.detail


class UnsupportedModel(EngineError):
    """Says what the model needs that the runner does not have."""


class LoadError(EngineError):
    """The model cannot be loaded, or the engine process ended before it was ready."""
