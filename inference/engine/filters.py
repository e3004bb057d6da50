"""Temperature, top-k, top-p and min-p over rows of scores. What is filtered out becomes -inf.

Functions of tensors; know nothing of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = float("-inf")
FEW = 512
MARGIN = 1e-4


@dataclass(frozen=True)
class Filters:
    """One entry per row, each [rows, 1]; None where no row uses the filter.

    ``top_k`` are indices (k - 1) among the ``most_k`` best; a row without it keeps them all.
    """

    temperature: Tensor
    most_k: int = 0
    top_k: Tensor | None = None
    top_p: Tensor | None = None
    min_p: Tensor | None = None


def filter_scores(scores: Tensor, filters: Filters) -> Tensor:
    """Temperature, then top-k, top-p and min-p, in transformers' order. ``scores`` float32."""
    scores = scores / filters.temperature
    if filters.top_k is not None:
        best = scores.topk(filters.most_k, dim=-1).values
        scores = scores.masked_fill(scores < best.gather(-1, filters.top_k), NEVER)
    if filters.top_p is not None:
        scores = _top_p(scores, filters.top_p)
    if filters.min_p is not None:
        probabilities = scores.softmax(dim=-1)
        least = probabilities.max(dim=-1, keepdim=True).values * filters.min_p
        scores = scores.masked_fill(probabilities < least, NEVER)
    return scores


def _top_p(scores: Tensor, top_p: Tensor) -> Tensor:
    """The smallest set of likeliest tokens whose probabilities reach top_p; at least one."""
    probabilities = scores.softmax(dim=-1)
    least = _least_of_few(probabilities, top_p)
    if least is None:
        least = _least_kept(probabilities.sort(dim=-1, descending=True).values, top_p)
    return scores.masked_fill(probabilities < least, NEVER)


def _least_of_few(probabilities: Tensor, top_p: Tensor) -> Tensor | None:
    """As below from the likeliest few alone; None where they may not be enough.

    Sorting a whole vocabulary takes longer than the rest of a step. Only on a CPU, where looking
    whether they are enough costs nothing: a GPU sorts quickly, and would have to be waited for.
    """
    if probabilities.device.type != "cpu" or probabilities.shape[-1] <= FEW:
        return None
    best = probabilities.topk(FEW, dim=-1).values
    enough = (best.sum(dim=-1, keepdim=True) > top_p + MARGIN) | (top_p >= 1.0)
    return _least_kept(best, top_p) if bool(enough.all()) else None


def _least_kept(descending: Tensor, top_p: Tensor) -> Tensor:
    """[rows, 1]: the smallest probability kept; those before it sum up to less than top_p."""
    before = descending.cumsum(dim=-1, dtype=torch.float64) - descending
    last = (before < top_p).sum(dim=-1, keepdim=True) - 1
    least = descending.gather(-1, last.clamp(min=0))
    return torch.where(top_p < 1.0, least, 0.0)
