"""The params of one batch of rows as tensors, made once and used until the batch changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.filters import Filters
from inference.engine.sampler_state import SamplerRow, SamplerState
from inference.engine.sampling_params import SamplingParams


@dataclass(frozen=True)
class Batch:
    """Columns are [rows, 1], tables [rows, vocabulary]; None where no row needs them.

    ``drawn`` are the rows that are sampled, None for all; ``filters`` None if all are greedy.
    """

    slots: tuple[int, ...]
    index: Tensor
    asked: tuple[int | None, ...]
    bias: Tensor | None
    repetition: Tensor | None
    presence: Tensor | None
    frequency: Tensor | None
    stops: Tensor | None
    min_tokens: Tensor | None
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
    stops, min_tokens = make.stops()
    return Batch(
        slots=tuple(slots),
        index=make.whole(slots),
        asked=tuple(row.params.logprobs for row in rows),
        bias=make.bias(),
        repetition=make.column_if(lambda one: one.repetition_penalty, 1.0),
        presence=presence,
        frequency=frequency,
        stops=stops,
        min_tokens=min_tokens,
        drawn=make.whole(drawn) if len(drawn) < len(rows) else None,
        filters=_Maker([rows[at] for at in drawn], state.vocabulary, state.device).filters(),
    )


class _Maker:
    def __init__(self, rows: Sequence[SamplerRow], width: int, device: torch.device) -> None:
        self._rows = rows
        self._params = [row.params for row in rows]
        self._width = width
        self._device = device

    def whole(self, numbers: Sequence[int]) -> Tensor:
        return torch.tensor(numbers, dtype=torch.long, device=self._device)

    def column(self, read: Callable[[SamplingParams], float]) -> Tensor:
        values = [read(one) for one in self._params]
        return torch.tensor(values, dtype=torch.float32, device=self._device)[:, None]

    def column_if(self, read: Callable[[SamplingParams], float], off: float) -> Tensor | None:
        return self.column(read) if any(read(one) != off for one in self._params) else None

    def penalties(self) -> tuple[Tensor | None, Tensor | None]:
        if not any(one.presence_penalty or one.frequency_penalty for one in self._params):
            return None, None
        presence = self.column(lambda one: one.presence_penalty)
        return presence, self.column(lambda one: one.frequency_penalty)

    def bias(self) -> Tensor | None:
        if not any(one.logit_bias for one in self._params):
            return None
        table = torch.zeros(len(self._params), self._width)
        for at, params in enumerate(self._params):
            for token, value in params.logit_bias:
                table[at, token] = value
        return table.to(self._device)

    def stops(self) -> tuple[Tensor | None, Tensor | None]:
        if not any(row.params.min_tokens and row.stop_token_ids for row in self._rows):
            return None, None
        table = torch.zeros(len(self._rows), self._width, dtype=torch.bool)
        for at, row in enumerate(self._rows):
            table[at, [token for token in row.stop_token_ids if token < self._width]] = True
        wanted = self.whole([one.min_tokens for one in self._params])[:, None]
        return table.to(self._device), wanted

    def filters(self) -> Filters | None:
        if not self._rows:
            return None
        kept = [min(one.top_k or self._width, self._width) for one in self._params]
        most = max(kept)
        filtered = any(one.top_k for one in self._params)
        return Filters(
            # Very small temperatures would overflow; this far down they are greedy anyway.
            temperature=self.column(lambda one: max(one.temperature, 1e-5)),
            most_k=most,
            top_k=self.whole([count - 1 for count in kept])[:, None] if filtered else None,
            top_p=self.column_if(lambda one: one.top_p, 1.0),
            min_p=self.column_if(lambda one: one.min_p, 0.0),
        )
