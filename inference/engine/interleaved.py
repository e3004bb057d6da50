"""The runner for any model that ``generate`` can run: batch 1, the model's own cache.

Each running sequence advances one token per step, in turn. Slower than a batch, and right for every
architecture (Mamba's state as well as attention). It takes the same steps as ``generate``, so
that greedy output is equal token for token.
"""

from __future__ import annotations

import inspect
import time
from itertools import count
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.configuration_utils import GenerationMode

from inference.engine.memory import MemoryGauge
from inference.engine.model_facts import vocabulary_of
from inference.engine.requests import EngineRequest
from inference.engine.runner import Begun, Fault, StepResult, Token, check_tokens
from inference.engine.sampler import Sampler, SamplerRow
from inference.engine.sampling_params import SamplingParams
from inference.engine.step_report import StepReport


class _Sequence:
    """One request's tokens and the model's memory of them."""

    def __init__(self, request: EngineRequest, slot: int, device: torch.device) -> None:
        self.id = request.id
        self.slot = slot
        ids = [*request.prompt_token_ids, *request.output_token_ids]
        self.input_ids = torch.tensor([ids], dtype=torch.long, device=device)
        self.model_kwargs: dict[str, Any] = {}
        self.begun = False
        self.prompt_tokens = len(request.prompt_token_ids)

    def append(self, token_id: int) -> None:
        new = self.input_ids.new_tensor([[token_id]])
        self.input_ids = torch.cat([self.input_ids, new], dim=-1)


class InterleavedRunner:
    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model
        self._device = model.device
        self._vocabulary = vocabulary_of(model)
        self._accepted = set(inspect.signature(model.forward).parameters)
        self._sequences: dict[str, _Sequence] = {}
        self._sampler = Sampler(1, self._vocabulary, self._device)
        self._gauge = MemoryGauge(self._device)
        self._report = StepReport()

    def add(self, request: EngineRequest) -> None:
        check_tokens(request, self._vocabulary)
        taken = {sequence.slot for sequence in self._sequences.values()}
        slot = next(slot for slot in count() if slot not in taken)
        self._sampler.admit(slot, SamplerRow.of(request))
        self._sequences[request.id] = _Sequence(request, slot, self._device)

    def remove(self, request_id: str) -> None:
        self._sampler.release(self._sequences.pop(request_id).slot)

    def step(self) -> list[StepResult]:
        began = time.perf_counter()
        sequences = list(self._sequences.values())
        new = [sequence for sequence in sequences if not sequence.begun]
        prompt_tokens = sum(sequence.prompt_tokens for sequence in new)
        results: list[StepResult] = [Begun(sequence.id, 0, sequence.slot) for sequence in new]
        made = [self._advance(sequence) for sequence in sequences]
        used, total = self._gauge.read()
        self._report = StepReport(
            running=len(sequences),
            output_tokens=sum(isinstance(result, Token) for result in made),
            prefill_tokens=sum(sequence.input_ids.shape[1] - 1 for sequence in new),
            admitted_tokens=prompt_tokens,
            memory_used=used,
            memory_total=total,
            forward_s=time.perf_counter() - began,
        )
        return results + made

    def report(self) -> StepReport:
        return self._report

    def wait_seconds(self) -> float:
        return 0.0

    def mixes_sequences(self) -> bool:
        """True for a model that keeps a sequence's state in its own layers (RecurrentGemma).

        Such a model would answer one request from the other's memory, without any error.
        """
        alone, beside = self._logits_after_three(None), self._logits_after_three([0, 0, 1])
        tolerance = 1e-3 * float(alone.abs().max())
        return not torch.allclose(alone, beside, rtol=1e-3, atol=tolerance)

    def _logits_after_three(self, other_prompt: list[int] | None) -> Tensor:
        """Of a fixed sequence after a prompt and two tokens, another one beside it or not."""
        params = SamplingParams(seed=0)
        one = _Sequence(EngineRequest("probe", [1, 0], params), 0, self._device)
        others = (
            [_Sequence(EngineRequest("other", other_prompt, params), 0, self._device)]
            if other_prompt
            else []
        )
        with torch.inference_mode():
            for _ in range(2):
                for sequence in (one, *others):
                    self._forward(sequence)
                    sequence.append(1)
            return self._forward(one).float()

    def _advance(self, sequence: _Sequence) -> StepResult:
        sequence.begun = True
        try:
            with torch.inference_mode():
                logits = self._forward(sequence)
                choice = self._sampler.sample(logits, [sequence.slot]).read()[0]
        except torch.OutOfMemoryError:
            sequence.model_kwargs.clear()
            return Fault(sequence.id, "out_of_memory", "There is not enough memory for this chat.")
        except Exception as error:
            if self._device.type != "cpu":
                raise  # a CUDA context is of no use after an error; the process starts again
            return Fault(sequence.id, "engine_error", f"{type(error).__name__}: {error}")
        if choice.token_id is None:
            return Fault(sequence.id, "bad_logits", "The model's output is not a number.")
        sequence.append(choice.token_id)
        return Token(sequence.id, choice.token_id, logprob=choice.logprob, top=tuple(choice.top))

    def _forward(self, sequence: _Sequence) -> Tensor:
        """Logits [1, vocabulary] for the next token; the sequence's cache grows."""
        first = not sequence.model_kwargs
        if first:
            sequence.model_kwargs = self._first_kwargs(sequence.input_ids)
        inputs = self._model.prepare_inputs_for_generation(
            sequence.input_ids,
            next_sequence_length=None if first else 1,
            is_first_iteration=first,
            **sequence.model_kwargs,
        )
        outputs = self._model(**inputs, return_dict=True)
        sequence.model_kwargs = self._model._update_model_kwargs_for_generation(
            outputs, sequence.model_kwargs
        )
        logits: Tensor = outputs.logits[:, -1]
        return logits

    def _first_kwargs(self, input_ids: Tensor) -> dict[str, Any]:
        """What ``generate`` passes to a model for one sequence without padding."""
        kwargs: dict[str, Any] = {"use_cache": True}
        if "attention_mask" in self._accepted:
            kwargs["attention_mask"] = None
        if "position_ids" in self._accepted:
            kwargs["position_ids"] = torch.arange(input_ids.shape[1], device=self._device)[None]
        if "logits_to_keep" in self._accepted:
            kwargs["logits_to_keep"] = 1
        config: Any = GenerationConfig
        self._model._prepare_cache_for_generation(
            config(), kwargs, GenerationMode.GREEDY_SEARCH, 1, 0
        )
        return kwargs
