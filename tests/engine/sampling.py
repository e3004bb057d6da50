"""Rows and logits for the sampler's tests, and one step of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from inference.engine.sampler import Choice, Sampler, SamplerRow
from inference.engine.sampling_params import SamplingParams

WIDTH = 50
CPU = torch.device("cpu")
EVERYTHING: dict[str, Any] = {
    "temperature": 0.8,
    "top_k": 20,
    "top_p": 0.9,
    "min_p": 0.01,
    "repetition_penalty": 1.2,
    "presence_penalty": 0.3,
    "frequency_penalty": 0.2,
    "min_tokens": 4,
    "stop_token_ids": [3, 4],
    "logit_bias": {"7": 2.0, "9": -50},
    "logprobs": 3,
}


def a_row(
    prompt: list[int] | None = None, made: list[int] | None = None, **params: Any
) -> SamplerRow:
    stops = frozenset(params.pop("stop_token_ids", ()))
    wanted = SamplingParams.from_dict(params)
    return SamplerRow(wanted, params.get("seed", 0), prompt or [0], made or [], stops)


def some_logits(rows: int, seed: int = 3) -> torch.Tensor:
    return torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)) * 3


def choices(logits: torch.Tensor, rows: Sequence[SamplerRow]) -> list[Choice]:
    """One step of a new sampler that holds just these rows."""
    sampler = Sampler(len(rows), logits.shape[-1], CPU)
    for slot, row in enumerate(rows):
        sampler.admit(slot, row)
    return sampler.sample(logits, range(len(rows))).read()


def sample(logits: torch.Tensor, rows: Sequence[SamplerRow]) -> list[int | None]:
    return [choice.token_id for choice in choices(logits, rows)]
