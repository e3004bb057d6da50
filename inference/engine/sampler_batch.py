"""The params of one batch of rows as tensors, made once and used until the batch changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.filters import Column, Filters
from inference.engine.sampler_state import SamplerRow, SamplerState
from inference.engine.sampling_params import SamplingParams


@dataclass(frozen=True)
class Bias:
    """``values`` [n] to add at the ``places`` [n] of the scores, which are counted row by row."""

    places: Tensor
    values: Tensor


@dataclass(frozen=True)
class Stops:
    """The ``places`` [n] of stop tokens, whose ``slots`` want ``min_tokens`` before; each [n]."""

    places: Tensor
    slots: Tensor
    min_tokens: Tensor


@dataclass(frozen=True)
class Batch:
    """Columns are [rows, 1]; None where no row needs them.

    ``drawn`` are the rows that are sampled, None for all; ``filters`` None if all are greedy.
    """

    index: Tensor
    asked: tuple[int | None, ...]
    bias: Bias | None
    repetition: Tensor | None
    presence: Tensor | None
    frequency: Tensor | None
    stops: Stops | None
    drawn: Tensor | None
    filters: Filters | None

    @property
    def counts_tokens(self) -> bool:
        return self.repetition is not None or self.presence is not None

    @property
    def is_plain(self) -> bool:
        """Greedy, and nothing changes a greedy choice."""
        parts = (self.bias, self.repetition, self.presence, self.stops, self.filters)
        return all(part is None for part in parts)

    @property
    def most_logprobs(self) -> int | None:
        return max((count for count in self.asked if count is not None), default=None)


def make_batch(state: SamplerState, slots: Sequence[int]) -> Batch:
    rows = [state.rows[slot] for slot in slots]
    make = _Maker(rows, state.vocabulary, state.device)
    drawn = [at for at, row in enumerate(rows) if row.params.temperature > 0]
    presence, frequency = make.penalties()
    return Batch(
        index=make.whole(slots),
        asked=tuple(row.params.logprobs for row in rows),
        bias=make.bias(),
        repetition=make.column_if(lambda one: one.repetition_penalty, 1.0),
        presence=presence,
        frequency=frequency,
        stops=make.stops(slots),
        drawn=make.whole(drawn) if len(drawn) < len(rows) else None,
        filters=_Maker([rows[at] for at in drawn], state.vocabulary, state.device).filters(),
    )


class _Maker:
    def __init__(self, rows: Sequence[SamplerRow], width: int, device: torch.device) -> None:
        self._rows = rows
        self._params = [row.params for row in rows]
        self._width = width
        self._device = device

    def whole(self, numbers: Sequence[int] | Sequence[tuple[int, ...]]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)

    def numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self._device)

    def column(self, read: Callable[[SamplingParams], float]) -> Tensor:
        return self.numbers([read(one) for one in self._params])[:, None]

    def column_if(self, read: Callable[[SamplingParams], float], off: float) -> Tensor | None:
        return self.column(read) if any(read(one) != off for one in self._params) else None

    def penalties(self) -> tuple[Tensor | None, Tensor | None]:
        if not any(one.presence_penalty or one.frequency_penalty for one in self._params):
            return None, None
        presence = self.column(lambda one: one.presence_penalty)
        return presence, self.column(lambda one: one.frequency_penalty)

    def bias(self) -> Bias | None:
        places: list[int] = []
        values: list[float] = []
        for at, params in enumerate(self._params):
            places += [at * self._width + token for token, _ in params.logit_bias]
            values += [value for _, value in params.logit_bias]
        return Bias(self.whole(places), self.numbers(values)) if places else None

    def stops(self, slots: Sequence[int]) -> Stops | None:
        found = [
            (at * self._width + token, slots[at], row.params.min_tokens)
            for at, row in enumerate(self._rows)
            for token in row.stop_token_ids
            if row.params.min_tokens and 0 <= token < self._width
        ]
        return Stops(*self.whole(found).T) if found else None

    def filters(self) -> Filters | None:
        if not self._rows:
            return None
        kept = [min(one.top_k, self._width) for one in self._params]
        top_p = [one.top_p for one in self._params]
        min_p = [one.min_p for one in self._params]
        return Filters(
            # Very small temperatures would overflow; this far down they are greedy anyway.
            temperature=self.column(lambda one: max(one.temperature, 1e-5)),
            most_k=max(kept),
            top_k=self.used(self.whole([count - 1 for count in kept]), [k > 0 for k in kept]),
            top_p=self.used(self.numbers(top_p), [p < 1.0 for p in top_p]),
            min_p=self.used(self.numbers(min_p), [p > 0.0 for p in min_p]),
        )

    def used(self, values: Tensor, wanted: Sequence[bool]) -> Column | None:
        """``values`` [rows] of those rows that want the filter."""
        if not any(wanted):
            return None
        if all(wanted):
            return Column(values[:, None])
        rows = self.whole([at for at, wants in enumerate(wanted) if wants])
        return Column(values[rows][:, None], rows)
