"""What `manage.py bench engine` does with its options: a model, then what was asked to measure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch
from transformers import PreTrainedModel

from inference.bench import report
from inference.bench.engine_bench import Plan, engine_contender, measure
from inference.bench.shapes import a_model
from inference.bench.situations import prefill_stall, second_turn
from inference.engine.errors import LoadError
from inference.engine.loader import choose_device, choose_dtype, context_length
from inference.engine.model_facts import vocabulary_of

Say = Callable[[str], None]
RUNNING = 8
REPEATS = 3


def run_engine_bench(options: dict[str, Any], say: Say) -> dict[str, Any]:
    """Returns everything that was measured, ready for JSON. Raises LoadError with a sentence."""
    torch.set_num_threads(options["threads"])
    device = choose_device(options["device"])
    dtype = choose_dtype(options["dtype"], device)
    context = 2 * max(
        options["prompt"] + options["new"],
        options["prefill_stall"] or 0,
        options["second_turn"] or 0,
    )
    model = a_model(options["model"], dtype, device, max(context, 1024), options["seed"])
    own_length = context_length(model.config, None)
    if own_length < context // 2:
        raise LoadError(f"This model's context is {own_length} tokens; measure with less.")
    found: dict[str, Any] = {
        "model": options["model"],
        "environment": report.environment(options["threads"], str(dtype), str(device)),
    }
    say(_title(options, found["environment"]))
    if options["prefill_stall"] or options["second_turn"]:
        found.update(_situations(model, options, say))
    else:
        found.update(_peers(model, options, say))
    return found


def _peers(model: PreTrainedModel, options: dict[str, Any], say: Say) -> dict[str, Any]:
    plan = Plan(
        concurrency=options["concurrency"],
        prompt=options["prompt"],
        new=options["new"],
        peers=options["peers"],
        repeats=options["repeats"],
        seed=options["seed"],
    )
    outcome = measure(model, plan, say)
    for line in report.table(outcome):
        say(line)
    return {"plan": asdict(plan), **report.as_json(outcome)}


def _situations(model: PreTrainedModel, options: dict[str, Any], say: Say) -> dict[str, Any]:
    long, prompt = options["prefill_stall"], options["second_turn"]
    length = 2 * max(long or 0, prompt or 0)
    attention = model.config._attn_implementation
    chosen = engine_contender("own", model, attention, RUNNING + 1, length, "auto")
    vocabulary = vocabulary_of(model)
    found: dict[str, Any] = {}
    if long:
        # A warm-up: the first steps of a process are compiled while they run.
        prefill_stall(chosen.runner, length, vocabulary, running=RUNNING, long_prompt=long // 4)
        stalls = [
            prefill_stall(chosen.runner, length, vocabulary, running=RUNNING, long_prompt=long)
            for _ in range(REPEATS)
        ]
        for stall in stalls:
            say(
                f"ITL of {RUNNING}: p50 {stall.alone_p50 * 1e3:.1f} ms, p99 "
                f"{stall.alone_p99 * 1e3:.1f}; beside {long} prompt tokens p50 "
                f"{stall.beside_p50 * 1e3:.1f}, p99 {stall.beside_p99 * 1e3:.1f} = "
                f"{stall.ratio:.2f} x p50 alone; read in {stall.read_seconds:.1f} s"
            )
        found["prefill_stall"] = [asdict(stall) for stall in stalls]
    if prompt:
        turns = [
            second_turn(chosen.runner, length, vocabulary, prompt=prompt, seed=seed)
            for seed in range(REPEATS)
        ]
        for turn in turns:
            say(
                f"first turn of {prompt} tokens {turn.first_ttft * 1e3:.0f} ms, second "
                f"{turn.second_ttft * 1e3:.0f} ms ({turn.ratio:.1%}), {turn.cached_tokens} kept"
            )
        found["second_turn"] = [asdict(turn) for turn in turns]
    return found


def _title(options: dict[str, Any], environment: dict[str, Any]) -> str:
    return (
        f"{options['model']}, {environment['dtype']}, {environment['device']}, "
        f"{environment['threads']} threads of {environment['cpu']}; "
        f"{options['prompt']} prompt tokens, {options['new']} new, greedy, "
        f"median of {options['repeats']} after a warm-up"
    )
