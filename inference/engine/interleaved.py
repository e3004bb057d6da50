"""The runner for any model that ``generate`` can run: batch 1, the model's own cache.

Each running sequence advances one token per step, in turn. Slower than a batch, and right for every
architecture (Mamba's state as well as attention). It takes the same steps as ``generate``, so
that greedy output is equal token for token.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, PreTrainedModel
from transformers.generation.configuration_utils import GenerationMode

from inference.engine.errors import RequestError
from inference.engine.requests import EngineRequest
from inference.engine.runner import Fault, StepResult, Token
from inference.engine.sampler import SamplerRow, sample
from inference.engine.sampling_params import SamplingParams


class _Sequence:
    """One request's tokens and the model's memory of them."""

    def __init__(self, request: EngineRequest, device: torch.device) -> None:
        self.id = request.id
        self.output_token_ids = list(request.output_token_ids)
        self.row = SamplerRow(
            params=request.params,
            seed=request.seed,
            prompt_token_ids=request.prompt_token_ids,
            output_token_ids=self.output_token_ids,
            stop_token_ids=request.stop_token_ids,
        )
        ids = [*request.prompt_token_ids, *request.output_token_ids]
        self.input_ids = torch.tensor([ids], dtype=torch.long, device=device)
        self.model_kwargs: dict[str, Any] = {}

    def append(self, token_id: int) -> None:
        self.output_token_ids.append(token_id)
        new = self.input_ids.new_tensor([[token_id]])
        self.input_ids = torch.cat([self.input_ids, new], dim=-1)


class InterleavedRunner:
    def __init__(self, model: PreTrainedModel) -> None:
        self._model: Any = model
        self._device = model.device
        # A row of logits for each of these; other ids would index past the embedding.
        embedding: Any = model.get_input_embeddings()
        self._vocabulary: int = embedding.weight.shape[0]
        self._accepted = set(inspect.signature(model.forward).parameters)
        self._sequences: dict[str, _Sequence] = {}

    def add(self, request: EngineRequest) -> int:
        ids = [*request.prompt_token_ids, *request.output_token_ids]
        if min(ids) < 0 or max(ids) >= self._vocabulary:
            raise RequestError("invalid", "The prompt holds a token that the model does not know.")
        self._sequences[request.id] = _Sequence(request, self._device)
        return 0

    def remove(self, request_id: str) -> None:
        del self._sequences[request_id]

    def step(self) -> list[StepResult]:
        return [self._advance(sequence) for sequence in list(self._sequences.values())]

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
        one = _Sequence(EngineRequest("probe", [1, 0], params), self._device)
        others = (
            [_Sequence(EngineRequest("other", other_prompt, params), self._device)]
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
        try:
            with torch.inference_mode():
                token_id = sample(self._forward(sequence), [sequence.row])[0]
        except torch.OutOfMemoryError:
            sequence.model_kwargs.clear()
            return Fault(sequence.id, "out_of_memory", "There is not enough memory for this chat.")
        except Exception as error:
            if self._device.type != "cpu":
                raise  # a CUDA context is of no use after an error; the process starts again
            return Fault(sequence.id, "engine_error", f"{type(error).__name__}: {error}")
        if token_id is None:
            return Fault(sequence.id, "bad_logits", "The model's output is not a number.")
        sequence.append(token_id)
        return Token(sequence.id, token_id)

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
