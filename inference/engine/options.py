"""What the engine is told to load, and what it says about itself once it has loaded."""

from __future__ import annotations

from dataclasses import dataclass

# Far above any step of a model that people would wait for.
HANG_SECONDS = 120.0


@dataclass(frozen=True)
class EngineOptions:
    """``auto`` and None leave the choice to the engine."""

    model: str
    device: str = "auto"
    dtype: str = "auto"
    max_model_len: int | None = None
    slots: int | None = None
    threads: int | None = None


@dataclass(frozen=True)
class MockOptions:
    """``rate``: tokens per second of each request."""

    rate: float = 20.0
    max_model_len: int | None = None
    slots: int | None = None
    hang_seconds: float | None = None


@dataclass(frozen=True)
class EngineInfo:
    """``slots`` is how many requests it holds at once; ``runner`` how it decodes them.

    An engine that is silent for ``hang_seconds`` while requests run hangs, and is ended.
    """

    model: str
    device: str
    dtype: str
    max_model_len: int
    eos_token_ids: frozenset[int] = frozenset()
    slots: int = 1
    runner: str = ""
    hang_seconds: float = HANG_SECONDS
