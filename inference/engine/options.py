"""What the engine is told to load, and what it says about itself once it has loaded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EngineOptions:
    """``auto`` and None leave the choice to the engine."""

    model: str
    device: str = "auto"
    dtype: str = "auto"
    max_model_len: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class MockOptions:
    """``rate``: tokens per second of each request."""

    rate: float = 20.0
    max_model_len: int | None = None


@dataclass(frozen=True)
class EngineInfo:
    model: str
    device: str
    dtype: str
    max_model_len: int
    eos_token_ids: frozenset[int] = frozenset()
