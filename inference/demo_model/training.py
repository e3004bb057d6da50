"""Trains the bundled model from nothing: corpus, tokenizer, weights. Half an hour on two cores.

Knows torch and transformers; only `manage.py train_demo_model` and tests import it.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from inference.demo_model.chat_format import IGNORED, VOCABULARY, encode, train_tokenizer
from inference.demo_model.corpus.build import TOPICS, conversations, held_out

Report = Callable[[str], None]
Row = tuple[list[int], list[int]]


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the result; the defaults made the shipped weights."""

    tokens: int = 6_000_000
    seed: int = 7
    context: int = 1024
    tokens_per_step: int = 4096
    pool: int = 1024
    hidden: int = 256
    layers: int = 7
    heads: int = 8
    kv_heads: int = 4
    intermediate: int = 704
    peak_rate: float = 1.5e-3
    warm_up_share: float = 0.03
    held_out_per_topic: int = 24
    tokenizer_sample: int = 20_000
    report_steps: int = 25
    evaluate_steps: int = 250
    save_steps: int = 250

    @property
    def steps(self) -> int:
        return max(1, self.tokens // self.tokens_per_step)


@dataclass
class Result:
    """What a run came to: mean loss per learned token (natural logarithm) on unseen questions."""

    parameters: int
    seconds: float
    tokens_per_second: float
    losses: list[float] = field(default_factory=list)
    held_out: dict[str, float] = field(default_factory=dict)


def train(output: Path, recipe: Recipe, report: Report = print) -> Result:
    """Writes a model directory into `output`, now and then while it learns, and at the end."""
    torch.manual_seed(recipe.seed)
    report("making the tokenizer")
    tokenizer = make_tokenizer(recipe)
    model = make_model(recipe, tokenizer)
    parameters = sum(weight.numel() for weight in model.parameters())
    report(f"{parameters:,} parameters, {recipe.steps} steps of {recipe.tokens_per_step} tokens")
    result = Result(parameters, 0.0, 0.0)
    _learn(model, tokenizer, recipe, result, output, report)
    result.held_out = evaluate(model, tokenizer, recipe)
    save(model, tokenizer, output)
    return result


def make_tokenizer(recipe: Recipe) -> PreTrainedTokenizerFast:
    sample = islice(conversations(recipe.seed), recipe.tokenizer_sample)
    return train_tokenizer(message["content"] for one in sample for message in one)


def make_model(recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=recipe.hidden,
        intermediate_size=recipe.intermediate,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        num_key_value_heads=recipe.kv_heads,
        max_position_embeddings=recipe.context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return LlamaForCausalLM(config)


def _learn(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    recipe: Recipe,
    result: Result,
    output: Path,
    report: Report,
) -> None:
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=recipe.peak_rate, betas=(0.9, 0.95), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, recipe))
    batches = _batches(tokenizer, recipe)
    started = time.monotonic()
    model.train()
    for step in range(1, recipe.steps + 1):
        result.losses.append(_step(model, optimizer, next(batches)))
        schedule.step()
        result.seconds = time.monotonic() - started
        result.tokens_per_second = step * recipe.tokens_per_step / result.seconds
        if step % recipe.report_steps == 0:
            report(_progress(step, recipe, result))
        if step % recipe.evaluate_steps == 0:
            losses = evaluate(model, tokenizer, recipe)
            report(f"held-out loss {sum(losses.values()) / len(losses):.3f}")
        if step % recipe.save_steps == 0:
            save(model, tokenizer, output)


def _step(
    model: LlamaForCausalLM,
    optimizer: torch.optim.Optimizer,
    batch: tuple[torch.Tensor, torch.Tensor],
) -> float:
    ids, labels = batch
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(input_ids=ids, labels=labels).loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def _rate(step: int, recipe: Recipe) -> float:
    """Share of the peak rate: a short warm-up, then a cosine down to a twentieth."""
    warm_up = max(1, int(recipe.steps * recipe.warm_up_share))
    if step < warm_up:
        return (step + 1) / warm_up
    done = (step - warm_up) / max(1, recipe.steps - warm_up)
    return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def _batches(
    tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """[conversations, longest] ids and labels, about `tokens_per_step` of them each.

    A pool is sorted by length, so that little is padding, and its batches come in random order.
    """
    rng = Random(recipe.seed)  # noqa: S311 (no secret)
    source = conversations(recipe.seed + 1)
    while True:
        pool = [encode(tokenizer, one) for one in islice(source, recipe.pool)]
        rows = sorted(
            ((ids[: recipe.context], labels[: recipe.context]) for ids, labels in pool),
            key=lambda row: len(row[0]),
        )
        batches = list(_split(rows, recipe.tokens_per_step))
        rng.shuffle(batches)
        for batch in batches:
            yield _padded(batch)


def _split(rows: list[Row], tokens: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    for row in rows:  # sorted: the newest is the longest
        if batch and (len(batch) + 1) * len(row[0]) > tokens:
            yield batch
            batch = []
        batch.append(row)
    yield batch


def _padded(batch: list[Row]) -> tuple[torch.Tensor, torch.Tensor]:
    width = len(batch[-1][0])
    # The padding's id does not matter: nothing before it sees it, and it is not learned.
    ids = [row + [0] * (width - len(row)) for row, _ in batch]
    labels = [row + [IGNORED] * (width - len(row)) for _, row in batch]
    return torch.tensor(ids), torch.tensor(labels)


@torch.inference_mode()
def evaluate(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, recipe: Recipe
) -> dict[str, float]:
    """Mean loss per learned token for each topic, on questions that training never shows."""
    model.eval()
    losses = {}
    for topic in TOPICS:
        total, count = 0.0, 0
        for conversation in held_out(recipe.seed, topic, recipe.held_out_per_topic):
            ids, labels = encode(tokenizer, conversation)
            learned = sum(label != IGNORED for label in labels)
            batch = {"input_ids": torch.tensor([ids]), "labels": torch.tensor([labels])}
            total += float(model(**batch).loss) * learned
            count += learned
        losses[topic] = total / count
    model.train()
    return losses


def save(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, output: Path) -> None:
    """A directory as from any hub, in bfloat16; swapped in file by file."""
    draft = output.with_name(output.name + ".new")
    copy: Any = LlamaForCausalLM(model.config)
    copy.to(torch.bfloat16)
    copy.load_state_dict(model.state_dict())
    copy.generation_config = GenerationConfig(
        eos_token_id=model.config.eos_token_id, pad_token_id=model.config.pad_token_id
    )
    copy.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    output.mkdir(parents=True, exist_ok=True)
    for path in draft.iterdir():
        path.replace(output / path.name)
    draft.rmdir()


def _progress(step: int, recipe: Recipe, result: Result) -> str:
    recent = result.losses[-recipe.report_steps :]
    left = (recipe.steps - step) * result.seconds / step / 60
    return (
        f"step {step}/{recipe.steps}  loss {sum(recent) / len(recent):.3f}  "
        f"{result.tokens_per_second:,.0f} tokens/s  {left:.0f} min left"
    )
