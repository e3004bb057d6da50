"""Temperature, top-k, top-p and min-p over rows of scores. What is filtered out becomes -inf.

Functions of tensors; know nothing of requests.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

NEVER = float("-inf")
FEW = 512
MARGIN = 1e-4


@dataclass(frozen=True)
class Column:
    """A filter's ``values`` [n, 1] for the ``rows`` [n] that use it; None: all rows do."""

    values: Tensor
    rows: Tensor | None = None


@dataclass(frozen=True)
class Filters:
    """``temperature`` [rows, 1]; the others None where no row uses them.

    ``top_k`` are indices (k - 1) among the ``most_k`` best.
    """

    temperature: Tensor
    most_k: int = 0
    top_k: Column | None = None
    top_p: Column | None = None
    min_p: Column | None = None


def filter_scores(scores: Tensor, filters: Filters) -> Tensor:
    """Temperature, then top-k, top-p and min-p, in transformers' order. ``scores`` float32.

    Tokens that are as likely as the last one kept are kept too.
    """
    scores = scores / filters.temperature
    most_k = filters.most_k
    scores = _apply(filters.top_k, scores, lambda some, at: _top_k(some, at, most_k))
    scores = _apply(filters.top_p, scores, _top_p)
    return _apply(filters.min_p, scores, _min_p)


def _apply(
    column: Column | None, scores: Tensor, stage: Callable[[Tensor, Tensor], Tensor]
) -> Tensor:
    """Only on the rows that want it, so that a costly filter costs nobody else."""
    if column is None:
        return scores
    if column.rows is None:
        return stage(scores, column.values)
    changed = stage(scores.index_select(0, column.rows), column.values)
    return scores.index_copy(0, column.rows, changed)


def _top_k(scores: Tensor, at: Tensor, most_k: int) -> Tensor:
    best = scores.topk(most_k, dim=-1).values
    return scores.masked_fill(scores < best.gather(-1, at), NEVER)


def _min_p(scores: Tensor, min_p: Tensor) -> Tensor:
    probabilities = scores.softmax(dim=-1)
    least = probabilities.amax(dim=-1, keepdim=True) * min_p
    return scores.masked_fill(probabilities < least, NEVER)


def _top_p(scores: Tensor, top_p: Tensor) -> Tensor:
    """The smallest set of likeliest tokens whose probabilities reach top_p; at least one."""
    probabilities = scores.softmax(dim=-1)
    if probabilities.device.type == "cpu" and probabilities.shape[-1] > FEW:
        least = _least_of_few(probabilities, top_p)
    else:
        least = _least_of_all(probabilities, top_p)
    return scores.masked_fill(probabilities < least, NEVER)


def _least_of_few(probabilities: Tensor, top_p: Tensor) -> Tensor:
    """As below, from the likeliest few alone in those rows where they are enough.

    Sorting a whole vocabulary takes longer than the rest of a step. Only on a CPU, where looking
    whether they are enough costs nothing: a GPU sorts quickly, and would have to be waited for.
    """
    best = probabilities.topk(FEW, dim=-1).values
    least = _least_of(best, top_p)
    flat = (best.sum(dim=-1) <= top_p[:, 0] + MARGIN).nonzero()[:, 0]
    if len(flat):
        least[flat] = _least_of_all(probabilities[flat], top_p[flat])
    return least


def _least_of_all(probabilities: Tensor, top_p: Tensor) -> Tensor:
    return _least_of(probabilities.sort(dim=-1, descending=True).values, top_p)


def _least_of(descending: Tensor, top_p: Tensor) -> Tensor:
    """[rows, 1]: the smallest probability kept; those before it sum up to less than top_p."""
    before = descending.cumsum(dim=-1, dtype=torch.float64) - descending
    last = (before < top_p).sum(dim=-1, keepdim=True) - 1
    return descending.gather(-1, last.clamp(min=0))
