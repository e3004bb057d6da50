"""Chooses the next token of each row from its logits. Rows do not see each other.

Vectorised over [rows, vocabulary]; greedy and sampled rows mix. Nothing here waits for the device:
``Sampled.read`` does, once per step. Knows sampling params and the tokens so far by slot; not
models, caches or requests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from inference.engine.filters import NEVER, Filters, filter_scores
from inference.engine.noise import keys_of, uniforms
from inference.engine.sampler_batch import Batch, make_batch
from inference.engine.sampler_state import SamplerRow, SamplerState

__all__ = ["Choice", "Sampled", "Sampler", "SamplerRow"]

# Batches remembered: the packed runner has one at a time, the interleaved one for each sequence.
MOST_BATCHES = 64


@dataclass(frozen=True)
class Choice:
    """``token_id`` is None where the logits are no numbers (NaN, infinite, nothing left).

    ``logprob`` and ``top`` (token id, log-probability) are there where the row asked for them.
    """

    token_id: int | None
    logprob: float | None = None
    top: list[tuple[int, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Sampled:
    """What was chosen, still on the device: ``token_ids`` [rows], -1 for a row without numbers.

    ``logprobs`` [rows, 1 + K]: of the chosen and of the K likeliest, whose ids are in ``top_ids``;
    ``asked`` is how many of them each row wants, None for none at all.
    """

    token_ids: Tensor
    asked: Sequence[int | None]
    logprobs: Tensor | None = None
    top_ids: Tensor | None = None

    def read(self) -> list[Choice]:
        """Waits for the device, once."""
        if self.logprobs is None or self.top_ids is None:
            return [Choice(None if token < 0 else token) for token in self.token_ids.tolist()]
        # One transfer for all of them; float64 holds every token id.
        parts = [self.token_ids[:, None].double(), self.logprobs.double(), self.top_ids.double()]
        rows = torch.cat(parts, dim=-1).tolist()
        return [_choice(asked, *row) for asked, row in zip(self.asked, rows, strict=True)]


def _choice(asked: int | None, token: float, logprob: float, *top: float) -> Choice:
    """``top`` are the log-probabilities of the likeliest tokens, then their ids."""
    if token < 0:
        return Choice(None)
    if asked is None:
        return Choice(int(token))
    half = len(top) // 2
    pairs = zip(top[half:], top[:half], strict=True)
    return Choice(int(token), logprob, [(int(one), value) for one, value in pairs][:asked])


class Sampler:
    """``slots`` is a first guess; a higher slot makes room for itself."""

    def __init__(self, slots: int, vocabulary: int, device: torch.device) -> None:
        self._state = SamplerState(slots, vocabulary, device)
        self._batches: dict[tuple[int, ...], Batch] = {}

    def admit(self, slot: int, row: SamplerRow) -> None:
        self._forget(slot)
        self._state.admit(slot, row)

    def release(self, slot: int) -> None:
        self._forget(slot)
        self._state.release(slot)

    def sample(self, logits: Tensor, slots: Sequence[int]) -> Sampled:
        """One token for each row of logits [rows, vocabulary]; row i belongs to ``slots[i]``.

        Their state goes on by the chosen tokens.
        """
        batch = self._batch(tuple(slots))
        chosen, good = self._choose(logits, batch)
        sampled = self._told(logits, chosen, good, batch)
        if not batch.is_plain:
            self._state.advance(batch.index, chosen[:, 0], counting=batch.counts_tokens)
        return sampled

    def _batch(self, slots: tuple[int, ...]) -> Batch:
        found = self._batches.get(slots)
        if found is None:
            if len(self._batches) >= MOST_BATCHES:
                self._batches.clear()
            found = self._batches[slots] = make_batch(self._state, slots)
        return found

    def _forget(self, slot: int) -> None:
        stay = {slots: batch for slots, batch in self._batches.items() if slot not in slots}
        self._batches = stay

    def _choose(self, logits: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """[rows, 1] token ids, and which of them come of numbers."""
        if batch.is_plain:
            return _likeliest(logits)
        scores = self._adjust(logits.float(), batch)
        if batch.filters is None:
            return _likeliest(scores)
        if batch.drawn is None:
            return self._draw(scores, batch.index, batch.filters)
        chosen, good = _likeliest(scores)
        drawn, drawn_good = self._draw(scores[batch.drawn], batch.index[batch.drawn], batch.filters)
        chosen = chosen.index_copy(0, batch.drawn, drawn)
        return chosen, good.index_copy(0, batch.drawn, drawn_good)

    def _draw(self, scores: Tensor, slots: Tensor, filters: Filters) -> tuple[Tensor, Tensor]:
        keys = keys_of(self._state.bases[slots], self._state.positions[slots])
        return _drawn(filter_scores(scores, filters), uniforms(keys))

    def _adjust(self, scores: Tensor, batch: Batch) -> Tensor:
        """Bias, penalties and min_tokens: what also changes a greedy choice."""
        if batch.bias is not None:
            scores = _plus(scores, batch.bias.places, batch.bias.values)
        if batch.repetition is not None:
            seen = self._state.seen(batch.index)
            punished = torch.where(scores < 0, scores * batch.repetition, scores / batch.repetition)
            scores = torch.where(seen, punished, scores)
        if batch.presence is not None and batch.frequency is not None:
            counts = self._state.counts(batch.index)
            scores = scores - batch.presence * (counts > 0) - batch.frequency * counts
        if batch.stops is not None:
            early = self._state.positions[batch.stops.slots] < batch.stops.min_tokens
            scores = _plus(scores, batch.stops.places, torch.where(early, NEVER, 0.0))
        return scores

    def _told(self, logits: Tensor, chosen: Tensor, good: Tensor, batch: Batch) -> Sampled:
        token_ids = torch.where(good, chosen, -1)[:, 0]
        if batch.most_logprobs is None:
            return Sampled(token_ids, batch.asked)
        # Of the model itself, before bias, penalties and temperature.
        known = logits.float().log_softmax(dim=-1)
        top = known.topk(min(batch.most_logprobs, known.shape[-1]), dim=-1)
        logprobs = torch.cat([known.gather(-1, chosen), top.values], dim=-1)
        return Sampled(token_ids, batch.asked, logprobs, top.indices)


def _plus(scores: Tensor, places: Tensor, values: Tensor) -> Tensor:
    """``scores`` with ``values`` [n] added at ``places`` [n], which are counted row by row."""
    return scores.flatten().index_add(0, places, values).view_as(scores)


def _likeliest(scores: Tensor) -> tuple[Tensor, Tensor]:
    best = scores.argmax(dim=-1, keepdim=True)
    return best, scores.gather(-1, best).isfinite()


def _drawn(scores: Tensor, uniform: Tensor) -> tuple[Tensor, Tensor]:
    """Where the running sum of the probabilities passes ``uniform`` [rows] of the whole.

    One random number per row. The usual noise for each token took a third of a step on a CPU.
    """
    # A GPU adds up in an order of its own for each place, so that a float32 sum moves by its
    # rounding over tokens of no probability too, which could then be drawn. A CPU does not.
    exact = torch.float32 if scores.device.type == "cpu" else torch.float64
    sums = scores.softmax(dim=-1).cumsum(dim=-1, dtype=exact)
    total = sums[:, -1:]
    # Below the total even when rounded; what was filtered out repeats a sum and is passed over.
    wanted = torch.minimum(uniform[:, None] * total, torch.nextafter(total, total * 0.0))
    place = torch.searchsorted(sums, wanted.to(exact), right=True)
    return place.clamp(max=scores.shape[-1] - 1), total.isfinite()
