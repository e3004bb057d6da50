"""How good the bundled model is on questions it never saw: loss, exact answers, speed, samples.

Imports torch; only `manage.py train_demo_model` and tests import it.
"""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from inference.demo_model.corpus.build import TOPICS, Conversation, held_out
from inference.demo_model.training import Recipe, evaluate

QUESTIONS_PER_TOPIC = 24
# Topics with one right answer, so that it can be compared character by character.
EXACT = ("counting", "calendar", "unknown", "counting-ja", "calendar-ja", "unknown-ja")
SPEED_TOKENS = 200


def score(folder: Path, seed: int) -> Iterator[str]:
    """Lines for the terminal."""
    model, tokenizer = load(folder)
    losses = evaluate(model, tokenizer, Recipe(seed=seed))
    yield f"held-out loss, mean over topics: {sum(losses.values()) / len(losses):.3f}"
    for topic in TOPICS:
        exact = (
            f"  exact {exact_share(model, tokenizer, seed, topic):4.0%}" if topic in EXACT else ""
        )
        yield f"  {topic:<14} loss {losses[topic]:.3f}{exact}"
    yield f"one user, one core, float32: {tokens_per_second(model, tokenizer):.0f} tokens/s"
    for topic in TOPICS:
        chat = held_out(seed + 1, topic, 1)[0]
        yield f"--- {topic}\n> {chat[0]['content']}\n{answer(model, tokenizer, chat[:1])}"


def load(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    return model.eval(), tokenizer


@torch.inference_mode()
def answer(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    messages: Conversation,
    max_tokens: int = 300,
) -> str:
    """The greedy answer, by `generate`: apart from the site's own engine."""
    ids: Any = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=False
    )
    output = model.generate(  # type: ignore[operator]
        ids, attention_mask=torch.ones_like(ids), max_new_tokens=max_tokens, do_sample=False
    )
    return str(tokenizer.decode(output[0, ids.shape[1] :], skip_special_tokens=True))


def exact_share(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, seed: int, topic: str
) -> float:
    """Share of unseen questions that are answered as the corpus would, to the letter."""
    chats = held_out(seed, topic, QUESTIONS_PER_TOPIC)
    right = sum(answer(model, tokenizer, chat[:1]) == chat[1]["content"] for chat in chats)
    return right / len(chats)


@torch.inference_mode()
def tokens_per_second(model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast) -> float:
    """Greedy decoding by `generate` on one thread, prompt included, after a warm-up."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ids = tokenizer("Tell me a story", return_tensors="pt").input_ids
        arguments = {"attention_mask": torch.ones_like(ids), "do_sample": False}
        model.generate(ids, max_new_tokens=8, **arguments)  # type: ignore[operator]
        started = time.perf_counter()
        model.generate(  # type: ignore[operator]
            ids, min_new_tokens=SPEED_TOKENS, max_new_tokens=SPEED_TOKENS, **arguments
        )
        return SPEED_TOKENS / (time.perf_counter() - started)
    finally:
        torch.set_num_threads(threads)
