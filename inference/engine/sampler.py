"""Chooses the next token of each row from its logits. Rows do not see each other.

Vectorised over [rows, vocabulary]; greedy and sampled rows mix. Knows sampling params and the
tokens so far; not models, caches or requests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.noise import gumbel_noise
from inference.engine.sampling_params import SamplingParams

NEVER = float("-inf")


@dataclass(frozen=True)
class SamplerRow:
    """What the sampler needs to know of a sequence; the lists are the sequence's own."""

    params: SamplingParams
    seed: int
    prompt_token_ids: Sequence[int]
    output_token_ids: Sequence[int]
    stop_token_ids: frozenset[int]


def sample(logits: Tensor, rows: Sequence[SamplerRow]) -> list[int | None]:
    """One token id per row; None where the logits are no numbers (NaN, infinite, nothing left)."""
    logits = logits.float()
    good = torch.isfinite(logits.max(dim=-1).values)
    logits = torch.where(good[:, None], logits, 0.0)
    scores = _adjust(logits, rows)
    chosen = _choose(scores, rows)
    return [
        token if is_good else None
        for token, is_good in zip(chosen.tolist(), good.tolist(), strict=True)
    ]


def _adjust(logits: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    """Penalties and min_tokens: what also changes a greedy choice."""
    adjusted = logits.clone()
    for index, row in enumerate(rows):
        _penalise(adjusted[index], row)
        if len(row.output_token_ids) < row.params.min_tokens and row.stop_token_ids:
            adjusted[index, list(row.stop_token_ids)] = NEVER
    return adjusted


def _penalise(scores: Tensor, row: SamplerRow) -> None:
    """In place, for one row. Repetition counts the prompt too; the others the output only."""
    params = row.params
    if params.repetition_penalty != 1.0:
        seen = torch.unique(_ids([*row.prompt_token_ids, *row.output_token_ids], scores))
        old = scores[seen]
        scores[seen] = torch.where(
            old < 0, old * params.repetition_penalty, old / params.repetition_penalty
        )
    if (params.presence_penalty or params.frequency_penalty) and row.output_token_ids:
        made, counts = torch.unique(_ids(row.output_token_ids, scores), return_counts=True)
        scores[made] -= params.presence_penalty + params.frequency_penalty * counts


def _ids(token_ids: Sequence[int], scores: Tensor) -> Tensor:
    return torch.tensor(token_ids, dtype=torch.long, device=scores.device)


def _choose(scores: Tensor, rows: Sequence[SamplerRow]) -> Tensor:
    greedy = scores.argmax(dim=-1)
    drawn = [index for index, row in enumerate(rows) if row.params.temperature > 0]
    if drawn:
        some = [rows[index] for index in drawn]
        filtered = filter_scores(scores[drawn], [row.params for row in some])
        drawings = [(row.seed, len(row.output_token_ids)) for row in some]
        noise = gumbel_noise(drawings, scores.shape[-1], scores.device)
        greedy[drawn] = (filtered.double() + noise).argmax(dim=-1)
    return greedy


def filter_scores(scores: Tensor, params: Sequence[SamplingParams]) -> Tensor:
    """Temperature, then top-k, top-p and min-p; what is filtered out becomes -inf."""

    def column(read: Callable[[SamplingParams], float]) -> Tensor:
        values = [read(one) for one in params]
        return torch.tensor(values, dtype=scores.dtype, device=scores.device)[:, None]

    # Very small temperatures would overflow; this far down they are greedy anyway.
    scores = scores - scores.max(dim=-1, keepdim=True).values
    scores = scores / column(lambda one: max(one.temperature, 1e-5))
    if any(one.top_k for one in params):
        scores = _top_k(scores, [one.top_k for one in params])
    if any(one.top_p < 1.0 for one in params):
        scores = _top_p(scores, column(lambda one: one.top_p))
    if any(one.min_p > 0.0 for one in params):
        probabilities = scores.softmax(dim=-1)
        floor = probabilities.max(dim=-1, keepdim=True).values * column(lambda one: one.min_p)
        scores = scores.masked_fill(probabilities < floor, NEVER)
    return scores


def _top_k(scores: Tensor, top_ks: Sequence[int]) -> Tensor:
    width = scores.shape[-1]
    kept = [min(k, width) if k else width for k in top_ks]
    best = scores.topk(max(kept), dim=-1).values
    at = torch.tensor(kept, device=scores.device)[:, None] - 1
    return scores.masked_fill(scores < best.gather(-1, at), NEVER)


def _top_p(scores: Tensor, top_p: Tensor) -> Tensor:
    """The smallest set of likeliest tokens whose probabilities reach top_p; at least one."""
    ordered, order = scores.sort(dim=-1, descending=False)
    removed = ordered.softmax(dim=-1).cumsum(dim=-1) <= 1.0 - top_p
    removed[:, -1] = False
    removed &= top_p < 1.0
    return scores.masked_fill(removed.scatter(-1, order, removed), NEVER)
