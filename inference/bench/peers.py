"""The peers: transformers' own ways to answer several people with one model."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import Any, Protocol

import torch
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.generation.configuration_utils import ContinuousBatchingConfig

from inference.bench.trace import RequestTrace, Trace

PAGE = 32


class Contender(Protocol):
    name: str

    def run(self, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        """Answers all prompts, which arrive at once, with exactly ``new_tokens`` each."""
        ...


class _Times(LogitsProcessor):
    """Changes nothing; notes when each step's logits were there."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        if scores.device.type == "cuda":
            torch.cuda.synchronize(scores.device)
        self.times.append(perf_counter())
        return scores


class StaticBatch:
    """``generate`` over all prompts at once: no scheduling at all, nobody may join or leave."""

    name = "static"

    def __init__(self, model: PreTrainedModel, attention: str) -> None:
        self._model: Any = model
        self._attention = attention

    def run(self, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        self._model.set_attn_implementation(self._attention)
        submitted = perf_counter()
        return Trace(self._generate(prompts, new_tokens, submitted))

    def _generate(
        self, prompts: Sequence[list[int]], new_tokens: int, submitted: float
    ) -> list[RequestTrace]:
        noted = _Times()
        inputs = torch.tensor(list(prompts), device=self._model.device)
        with torch.inference_mode():
            output = self._model.generate(
                inputs,
                attention_mask=torch.ones_like(inputs),
                do_sample=False,
                max_new_tokens=new_tokens,
                logits_processor=LogitsProcessorList([noted]),
            )
        times = [*noted.times[:-1], perf_counter()]
        made = output[:, inputs.shape[1] :].tolist()
        return [RequestTrace(submitted, list(times), token_ids) for token_ids in made]


class OneByOne(StaticBatch):
    """``generate`` for one prompt after the other; the others wait."""

    name = "generate"

    def run(self, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        self._model.set_attn_implementation(self._attention)
        submitted = perf_counter()
        traces: list[RequestTrace] = []
        for prompt in prompts:
            traces += self._generate([prompt], new_tokens, submitted)
        return Trace(traces)


class ContinuousBatching:
    """transformers' ``ContinuousBatchingManager``, with a cache no larger than the work needs.

    Its path on a CPU builds a mask over the whole cache for each step, so that a larger one only
    slows it down (docs/benchmarks.md has the settings that were tried).
    """

    name = "continuous"

    def __init__(self, model: PreTrainedModel, attention: str, page: int = PAGE) -> None:
        self._model: Any = model
        self._attention = attention
        self._page = page

    def run(self, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        self._model.set_attn_implementation(self._attention)
        config: Any = GenerationConfig
        generation = config(
            do_sample=False, max_new_tokens=new_tokens, eos_token_id=-1, pad_token_id=0
        )
        with self._model.continuous_batching_context_manager(
            generation_config=generation,
            continuous_batching_config=self._settings(prompts, new_tokens),
        ) as manager:
            return self._answer(manager, prompts, new_tokens)

    def _settings(self, prompts: Sequence[list[int]], new_tokens: int) -> Any:
        pages = -(-(len(prompts[0]) + new_tokens) // self._page)
        config: Any = ContinuousBatchingConfig
        if self._model.device.type != "cpu":
            return config(allow_block_sharing=False)
        return config(
            page_size=self._page,
            num_blocks=len(prompts) * (pages + 1),
            max_batch_tokens=sum(len(prompt) for prompt in prompts),
            max_requests_per_batch=len(prompts),
            allow_block_sharing=False,
        )

    def _answer(self, manager: Any, prompts: Sequence[list[int]], new_tokens: int) -> Trace:
        submitted = perf_counter()
        names = [
            manager.add_request(list(prompt), max_new_tokens=new_tokens, record_timestamps=True)
            for prompt in prompts
        ]
        outputs: dict[str, Any] = {}
        while len(outputs) < len(names):
            output = manager.get_result(timeout=60)
            if output is None or output.error:
                raise RuntimeError(f"Continuous batching failed: {getattr(output, 'error', '')}")
            if output.is_finished():
                outputs[output.request_id] = output
        ended = [outputs[name] for name in names]
        return Trace(
            [RequestTrace(submitted, list(o.timestamps), list(o.generated_tokens)) for o in ended]
        )
