"""Temperature, top-k, top-p and min-p over rows of scores. What is filtered out becomes -inf.

Functions of tensors; know nothing of requests.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = float("-inf")


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
    scores = scores - scores.max(dim=-1, keepdim=True).values
    scores = scores.div_(filters.temperature)
    if filters.top_k is not None:
        best = scores.topk(filters.most_k, dim=-1).values
        scores = scores.masked_fill(scores < best.gather(-1, filters.top_k), NEVER)
    if filters.top_p is not None:
        scores = _top_p(scores, filters.top_p)
    if filters.min_p is not None:
        # The likeliest has score 0 after the shift, so its probability is that of exp(0).
        scores = scores.masked_fill(scores.exp() < filters.min_p, NEVER)
    return scores


def _top_p(scores: Tensor, top_p: Tensor) -> Tensor:
    """The smallest set of likeliest tokens whose probabilities reach top_p; at least one."""
    ordered, order = scores.sort(dim=-1, descending=False)
    removed = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1.0 - top_p
    removed[:, -1] = False
    removed &= top_p < 1.0
    return scores.masked_fill(torch.zeros_like(removed).scatter(-1, order, removed), NEVER)
