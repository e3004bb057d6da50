"""What the sampler remembers of each slot, on the device: seeds, positions, counts of tokens.

Owns the tables; what a step does with them is the sampler's matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from inference.engine.noise import base_of
from inference.engine.requests import EngineRequest
from inference.engine.sampling_params import SamplingParams


@dataclass(frozen=True)
class SamplerRow:
    """What the sampler needs to know of a sequence when it comes; output is of earlier attempts."""

    params: SamplingParams
    seed: int
    prompt_token_ids: Sequence[int]
    output_token_ids: Sequence[int]
    stop_token_ids: frozenset[int]

    @classmethod
    def of(cls, request: EngineRequest) -> SamplerRow:
        return cls(
            params=request.params,
            seed=request.seed,
            prompt_token_ids=request.prompt_token_ids,
            output_token_ids=request.output_token_ids,
            stop_token_ids=request.stop_token_ids,
        )

    @property
    def counts_tokens(self) -> bool:
        params = self.params
        return params.repetition_penalty != 1.0 or bool(
            params.presence_penalty or params.frequency_penalty
        )


class SamplerState:
    """``bases`` and ``positions``: [slots]; the counts [slots, vocabulary] only once needed."""

    def __init__(self, slots: int, vocabulary: int, device: torch.device) -> None:
        self.vocabulary = vocabulary
        self.device = device
        self.rows: dict[int, SamplerRow] = {}
        self.bases = torch.zeros(slots, dtype=torch.long, device=device)
        self.positions = torch.zeros(slots, dtype=torch.long, device=device)
        self._counts: Tensor | None = None
        self._in_prompt: Tensor | None = None

    def admit(self, slot: int, row: SamplerRow) -> None:
        self._make_room(slot + 1)
        self.rows[slot] = row
        self.bases[slot] = base_of(row.seed)
        self.positions[slot] = len(row.output_token_ids)
        if row.counts_tokens:
            self._count(slot, row)

    def release(self, slot: int) -> None:
        del self.rows[slot]

    def advance(self, slots: Tensor, token_ids: Tensor, *, counting: bool) -> None:
        """The chosen tokens are part of the answers now."""
        self.positions.index_add_(0, slots, torch.ones_like(slots))
        if counting and self._counts is not None:
            one = torch.ones_like(token_ids, dtype=self._counts.dtype)
            self._counts.index_put_((slots, token_ids), one, accumulate=True)

    def seen(self, slots: Tensor) -> Tensor:
        """[rows, vocabulary]: tokens of prompt or output."""
        assert self._in_prompt is not None
        return self._in_prompt[slots] | (self.counts(slots) > 0)

    def counts(self, slots: Tensor) -> Tensor:
        """[rows, vocabulary]: how often each token was put out."""
        assert self._counts is not None
        return self._counts[slots]

    def _count(self, slot: int, row: SamplerRow) -> None:
        if self._counts is None or self._in_prompt is None:
            shape = (len(self.bases), self.vocabulary)
            self._counts = torch.zeros(shape, dtype=torch.int32, device=self.device)
            self._in_prompt = torch.zeros(shape, dtype=torch.bool, device=self.device)
        made = self._ids(row.output_token_ids)
        self._counts[slot] = 0
        self._counts[slot].index_add_(0, made, torch.ones_like(made, dtype=torch.int32))
        self._in_prompt[slot] = False
        self._in_prompt[slot, self._ids(row.prompt_token_ids)] = True

    def _ids(self, token_ids: Sequence[int]) -> Tensor:
        return torch.tensor(token_ids, dtype=torch.long, device=self.device)

    def _make_room(self, slots: int) -> None:
        missing = slots - len(self.bases)
        if missing <= 0:
            return

        def longer(table: Tensor) -> Tensor:
            return torch.cat([table, table.new_zeros(missing, *table.shape[1:])])

        self.bases, self.positions = longer(self.bases), longer(self.positions)
        if self._counts is not None and self._in_prompt is not None:
            self._counts, self._in_prompt = longer(self._counts), longer(self._in_prompt)
