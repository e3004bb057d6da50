"""The runner that decodes all sequences together: one forward of the model per step.

The scheduler says what a step computes; this packs it into one row of tokens, runs the model
over the slots' memory and samples. For every model whose layers call attention by transformers'
interface; ``choice`` has that proven before it takes this runner.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from inference.engine.attention import PackedAttention
from inference.engine.errors import RequestError
from inference.engine.kv_cache import KVCache
from inference.engine.memory import MemoryGauge, free_unused, is_out_of_memory
from inference.engine.model_facts import keeps_rows, vocabulary_of
from inference.engine.packed_step import Span, decode_spans
from inference.engine.recorded_step import RecordedStep
from inference.engine.requests import EngineRequest
from inference.engine.runner import Begun, Fault, StepResult, Token, check_tokens
from inference.engine.sampler import Choice, Sampler, SamplerRow
from inference.engine.scheduler import Admission, Chunk, Scheduler, StepPlan
from inference.engine.step_report import StepReport

OUT_OF_MEMORY = "There is not enough memory to read this chat; make it shorter."
BAD_LOGITS = "The model's output is not a number."


@dataclass(frozen=True)
class _Computed:
    """The step as it was computed at last; ``admitted`` in all of its tries."""

    plan: StepPlan
    logits: Tensor | None
    admitted: list[Admission]
    plan_s: float
    forward_s: float


class PackedRunner:
    """``model`` must already use ``attention``; the scheduler has as many slots as its memory."""

    def __init__(
        self,
        model: PreTrainedModel,
        attention: PackedAttention,
        scheduler: Scheduler,
        recorded: RecordedStep | None = None,
    ) -> None:
        self._model: Any = model
        self._device = model.device
        self._attention = attention
        self._memory: KVCache = attention.memory
        self._scheduler = scheduler
        self._recorded = recorded
        self._vocabulary = vocabulary_of(model)
        self._keeps_rows = keeps_rows(model)
        self._sampler = Sampler(self._memory.slots, self._vocabulary, self._device)
        # Whose logits were numbers; only what these have in memory is safe for others.
        self._sound: set[str] = set()
        self._gauge = MemoryGauge(self._device)
        self._report = StepReport()

    # --- The loop's side -----------------------------------------------------------------------

    def add(self, request: EngineRequest) -> None:
        check_tokens(request, self._vocabulary)
        tokens = len(request.prompt_token_ids) + len(request.output_token_ids)
        if tokens >= self._memory.length:
            raise RequestError("too_long", f"The chat is over {self._memory.length} tokens long.")
        self._scheduler.add(request)

    def remove(self, request_id: str) -> None:
        sound = request_id in self._sound
        self._sound.discard(request_id)
        removed = self._scheduler.remove(request_id, keep=sound)
        if removed is None:
            return
        self._sampler.release(removed.slot.index)
        if not sound:
            self._memory.clear(removed.slot.index, removed.computed)

    def step(self) -> list[StepResult]:
        with torch.inference_mode():
            return self._step()

    def report(self) -> StepReport:
        return self._report

    def wait_seconds(self) -> float:
        return 0.0

    # --- One step ------------------------------------------------------------------------------

    def _step(self) -> list[StepResult]:
        results: list[StepResult] = []
        computed = self._compute(results)
        finishing = [chunk for chunk in computed.plan.chunks if chunk.last]
        began = time.perf_counter()
        choices: list[Choice] = []
        if computed.logits is not None:
            slots = [chunk.slot.index for chunk in finishing]
            choices = self._sampler.sample(computed.logits, slots).read()
        results += [self._take(*pair) for pair in zip(finishing, choices, strict=True)]
        sample_s = time.perf_counter() - began
        if computed.plan.chunks:
            self._scheduler.record(computed.plan, computed.forward_s + sample_s)
        used, total = self._gauge.read()
        self._report = StepReport(
            running=len(self._scheduler),
            output_tokens=len(choices),
            prefill_tokens=computed.plan.prefill_tokens,
            admitted_tokens=sum(one.prompt_tokens for one in computed.admitted),
            cached_tokens=sum(one.cached for one in computed.admitted),
            kv_tokens=self._scheduler.held_tokens(),
            kv_capacity=self._memory.slots * self._memory.length,
            memory_used=used,
            memory_total=total,
            plan_s=computed.plan_s,
            forward_s=computed.forward_s,
            sample_s=sample_s,
        )
        return results

    def _compute(self, results: list[StepResult]) -> _Computed:
        """The forward; where memory runs out, with less of the prompts, then without the newest."""
        most: int | None = None
        admitted: list[Admission] = []
        while True:
            began = time.perf_counter()
            plan = self._scheduler.plan(most)
            self._admit(plan, results)
            admitted += plan.admitted
            planned = time.perf_counter()
            try:
                logits = self.forward(plan)
            except Exception as error:
                if not plan.prefill or not is_out_of_memory(error):
                    raise
                # Outside of the handler, whose traceback holds on to the tensors.
                failed = plan
            else:
                self._scheduler.commit(plan)
                forward_s = time.perf_counter() - planned
                return _Computed(plan, logits, admitted, planned - began, forward_s)
            free_unused(self._device)
            if failed.prefill_tokens <= self._scheduler.least_prefill:
                self._fail_newest(failed, results)
            most = max(self._scheduler.least_prefill, failed.prefill_tokens // 2)

    def _fail_newest(self, plan: StepPlan, results: list[StepResult]) -> None:
        newest = plan.prefill[-1].sequence
        self._scheduler.fail(newest.id)
        results.append(Fault(newest.id, "out_of_memory", OUT_OF_MEMORY))

    def _admit(self, plan: StepPlan, results: list[StepResult]) -> None:
        for copy in plan.copies:
            self._memory.copy(copy.source.index, copy.target.index, copy.count)
        for admission in plan.admitted:
            request = admission.sequence.request
            self._sampler.admit(admission.slot.index, SamplerRow.of(request))
            results.append(Begun(request.id, admission.cached, admission.slot.index))

    def _take(self, chunk: Chunk, choice: Choice) -> StepResult:
        sequence = chunk.sequence
        if choice.token_id is None:
            self._scheduler.fail(sequence.id)
            self._sound.discard(sequence.id)
            return Fault(sequence.id, "bad_logits", BAD_LOGITS)
        self._sound.add(sequence.id)
        sequence.token_ids.append(choice.token_id)
        return Token(sequence.id, choice.token_id, logprob=choice.logprob, top=tuple(choice.top))

    def forward(self, plan: StepPlan) -> Tensor | None:
        """Logits [finishing chunks, vocabulary]; None where no chunk ends its prompt."""
        if not plan.chunks:
            return None
        packed, kept, spans = self._pack(plan), _finishing_rows(plan), _spans(plan)
        try:
            if self._recorded:
                logits = self._recorded.run(spans, packed, kept)
            else:
                self._attention.step = self._attention.make_step(packed[2], packed[1], spans)
                logits = self._forward_eagerly(packed, kept)
            return logits if kept else None
        finally:
            self._attention.step = None

    def _forward_eagerly(self, packed: Tensor, kept: list[int]) -> Tensor:
        rows = torch.tensor(kept, dtype=torch.long).to(self._device, non_blocking=True)
        options: dict[str, Any] = {"logits_to_keep": rows} if self._keeps_rows else {}
        output = self._model(
            input_ids=packed[0:1], position_ids=packed[1:2], use_cache=False, **options
        )
        logits: Tensor = output.logits[0]
        return logits if self._keeps_rows else logits[rows]

    def _pack(self, plan: StepPlan) -> Tensor:
        """Token ids, positions and slots [3, tokens], in one transfer to the device."""
        ids: list[int] = []
        positions: list[int] = []
        slots: list[int] = []
        for chunk in plan.chunks:
            ids += chunk.token_ids
            positions += range(chunk.start, chunk.start + chunk.count)
            slots += [chunk.slot.index] * chunk.count
        return torch.tensor([ids, positions, slots]).to(self._device, non_blocking=True)


def _finishing_rows(plan: StepPlan) -> list[int]:
    """Where in the step the last tokens of those lie that get a token of it."""
    rows: list[int] = []
    end = 0
    for chunk in plan.chunks:
        end += chunk.count
        if chunk.last:
            rows.append(end - 1)
    return rows


def _spans(plan: StepPlan) -> list[Span]:
    spans = decode_spans(
        [chunk.slot.index for chunk in plan.decode], [chunk.start + 1 for chunk in plan.decode]
    )
    first = len(plan.decode)
    for chunk in plan.chunks[first:]:
        spans.append(Span(first, 1, chunk.count, chunk.slot.index, [chunk.start + chunk.count]))
        first += chunk.count
    return spans
