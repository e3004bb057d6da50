"""`manage.py bench engine`: the engine and its peers on one model, in one run.

Contenders take turns within each repeat, so that a machine that slows down slows all of them; the
median of the repeats counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from inference.bench.bandwidth import floor_seconds, measured_bandwidth, read_bytes
from inference.bench.engines import EngineContender
from inference.bench.peers import Contender, ContinuousBatching, OneByOne, StaticBatch
from inference.bench.trace import Figures, Trace, middle
from inference.engine.choice import choose_runner
from inference.engine.kv_cache import bytes_per_token
from inference.engine.model_facts import vocabulary_of
from inference.engine.probe import attention_shapes

PEERS = ("own", "generate", "static", "continuous", "interleaved")


@dataclass(frozen=True)
class Plan:
    """What to measure; ``prompt`` and ``new`` in tokens."""

    concurrency: tuple[int, ...]
    prompt: int
    new: int
    peers: tuple[str, ...]
    repeats: int
    seed: int


@dataclass(frozen=True)
class Row:
    """One contender at one concurrency. ``differing``: requests with other tokens than ``own``."""

    concurrency: int
    name: str
    figures: Figures
    differing: int
    floor_share: float | None = None


@dataclass(frozen=True)
class Outcome:
    rows: list[Row]
    bandwidth: float


def measure(model: PreTrainedModel, plan: Plan, say: Callable[[str], None]) -> Outcome:
    attention = model.config._attn_implementation
    vocabulary = vocabulary_of(model)
    weight_bytes, token_bytes = read_bytes(model), _token_bytes(model)
    bandwidth = measured_bandwidth(torch.device(model.device))
    contenders = list(_contenders(model, attention, plan))
    generator = torch.Generator().manual_seed(plan.seed)
    rows: list[Row] = []
    for concurrency in plan.concurrency:
        say(f"{concurrency} at once …")
        prompts = torch.randint(3, vocabulary, (concurrency, plan.prompt), generator=generator)
        traces = _take_turns(contenders, prompts.tolist(), plan)
        own = traces.get("own")
        for name, runs in traces.items():
            figures = middle([run.figures() for run in runs])
            context = plan.prompt + plan.new / 2
            floor = floor_seconds(weight_bytes, token_bytes, concurrency, context, bandwidth)
            share = floor / figures.itl_p50 if name == "own" and figures.itl_p50 else None
            differing = _differing(runs[-1], own[-1]) if own else 0
            rows.append(Row(concurrency, name, figures, differing, share))
    return Outcome(rows, bandwidth)


def _contenders(model: PreTrainedModel, attention: str, plan: Plan) -> Iterator[Contender]:
    most, length = max(plan.concurrency), plan.prompt + plan.new + 1
    for name in plan.peers:
        match name:
            case "own":
                yield engine_contender("own", model, attention, most, length, "auto")
            case "interleaved":
                yield engine_contender("interleaved", model, attention, most, length, "interleaved")
            case "generate":
                yield OneByOne(model, attention)
            case "static":
                yield StaticBatch(model, attention)
            case "continuous":
                yield ContinuousBatching(model, attention)


def engine_contender(
    name: str, model: PreTrainedModel, attention: str, slots: int, length: int, kind: str
) -> EngineContender:
    """On a copy where the runner lays out the weights anew: peers keep the model as it is."""
    own: Any = deepcopy(model) if model.device.type == "cpu" else model
    own.set_attn_implementation(attention)  # another contender may have left its own there
    chosen = choose_runner(own, slots=slots, max_model_len=length, fixed_length=True, kind=kind)
    return EngineContender(name, chosen.runner, chosen.max_model_len, own)


def _take_turns(
    contenders: Sequence[Contender], prompts: list[list[int]], plan: Plan
) -> dict[str, list[Trace]]:
    for contender in contenders:
        contender.run(prompts, min(8, plan.new))  # warm-up
    traces: dict[str, list[Trace]] = {contender.name: [] for contender in contenders}
    for _ in range(plan.repeats):
        for contender in contenders:
            traces[contender.name].append(contender.run(prompts, plan.new))
    return traces


def _differing(run: Trace, own: Trace) -> int:
    pairs = zip(run.requests, own.requests, strict=True)
    return sum(one.token_ids != other.token_ids for one, other in pairs)


def _token_bytes(model: PreTrainedModel) -> int:
    shapes, dtype = attention_shapes(model)
    return bytes_per_token(shapes, dtype)
