"""Greedy output is that of ``generate``, token for token, whatever runs beside it."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from inference.engine import packed_step
from inference.engine.choice import choose_runner
from tests.engine.core import CoreInHand, a_request
from tests.engine.models import FAMILIES, IN_TURN, PACKED, a_model

BUNDLED = Path(__file__).parents[2] / "inference" / "demo_model" / "weights"
PROMPTS = {
    "short": [5],
    "middle": [11, 250, 7, 7, 31, 8],
    "long": [3 + (i * 37) % 300 for i in range(40)],  # not the pad token: generate would mask it
}


def generated(model: Any, prompt: list[int], new: int) -> list[int]:
    """What ``generate`` makes of it, an EOS token included."""
    output = model.generate(
        torch.tensor([prompt]), do_sample=False, max_new_tokens=new, pad_token_id=0
    )
    made: list[int] = output[0, len(prompt) :].tolist()
    return made


def chosen(model: Any, kind: str, **options: Any) -> Any:
    """A runner over a copy of the model, as a runner changes it."""
    wanted = {"slots": 4, "max_model_len": 128, "fixed_length": True, "kind": kind, **options}
    return choose_runner(deepcopy(model), **wanted).runner


def check_random_traffic(family: str, kind: str, seed: int) -> None:
    """Requests that join, leave and come back at random, in chunks of random size."""
    random = Random(f"{family} {seed}")
    model = a_model(family)
    eos = model.generation_config.eos_token_id
    hand = CoreInHand(chosen(model, kind, most_prefill=random.choice([1, 5, 16, 64])))
    prompts: dict[str, list[int]] = {}
    for serial in range(9):
        beginning = random.choice(list(prompts.values()))[: random.randint(0, 60)] if serial else []
        prompt = [*beginning, *(random.randint(3, 300) for _ in range(random.randint(1, 40)))]
        prompts[str(serial)] = prompt
        scope = random.choice(["", "", str(serial)])  # alone: no prefix may be used again
        hand.submit(
            a_request(str(serial), prompt, max_tokens=16, stop_token_ids=[eos], scope=scope)
        )
        for _ in range(random.randint(0, 6)):
            hand.step()
        if random.random() < 0.2:
            hand.abort(str(random.randint(0, serial)))
    hand.run()
    made = hand.tokens()
    for name, prompt in prompts.items():
        expected = generated(model, prompt, 16)
        got = made.get(name, [])
        assert got == (expected[: len(got)] if hand.ends()[name] == "aborted" else expected)


@pytest.mark.parametrize("family", PACKED)
def test_packed_requests_that_come_and_go_equal_generate(family: str) -> None:
    check_random_traffic(family, "packed", 1)


@pytest.mark.parametrize("family", ["llama", "gemma2", "deepseek_v3", "gpt2"])
@pytest.mark.parametrize("seed", [2, *(pytest.param(n, marks=pytest.mark.long) for n in (3, 4, 5))])
def test_more_random_traffic_equals_generate(family: str, seed: int) -> None:
    check_random_traffic(family, "packed", seed)


@pytest.mark.parametrize("family", IN_TURN)
def test_what_cannot_be_packed_is_decoded_in_turn_and_equals_generate(family: str) -> None:
    model = a_model(family)
    choice = choose_runner(deepcopy(model), slots=2, max_model_len=128)
    assert choice.kind == "interleaved" and choice.reason
    check_random_traffic(family, "auto", 1)


@pytest.mark.parametrize("padding", [8, packed_step.PADDING])
@pytest.mark.parametrize("family", ["llama", "mistral", "gemma3", "gpt_oss"])
def test_packed_equals_generate_across_every_edge(
    family: str, padding: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lengths around a chunk's end, a sliding window's end and the padding of a call."""
    monkeypatch.setattr(packed_step, "PADDING", padding)
    model = a_model(family)
    lengths = (1, 2, 7, 8, 9, 10, 11, 12, 13, 15, 16, 17, 32, 33, 63, 64, 65, 100)
    prompts = {str(n): [3 + (n * 31 + i * 37) % 300 for i in range(n)] for n in lengths}
    hand = CoreInHand(chosen(model, "packed", slots=len(lengths), most_prefill=8))
    hand.submit(*(a_request(name, prompt, max_tokens=6) for name, prompt in prompts.items()))
    hand.run()
    model.generation_config.eos_token_id = None
    assert hand.tokens() == {name: generated(model, p, 6) for name, p in prompts.items()}


@pytest.mark.skipif(not (BUNDLED / "config.json").exists(), reason="no bundled model here")
def test_the_bundled_model_equals_generate() -> None:
    from transformers import AutoModelForCausalLM

    from inference.engine.loader import eos_token_ids
    from inference.text.chat_template import ChatTemplate
    from inference.text.tokenizer import Tokenizer

    model = AutoModelForCausalLM.from_pretrained(BUNDLED, dtype=torch.float32).eval()
    tokenizer = Tokenizer.load(str(BUNDLED))
    template = ChatTemplate(tokenizer)
    stops = eos_token_ids(model) | tokenizer.eos_token_ids
    hand = CoreInHand(choose_runner(deepcopy(model), slots=4, max_model_len=512).runner, 512)
    expected = {}
    for text in ("Hello!", "こんにちは", "Count to ten."):
        prompt = template.encode([{"role": "user", "content": text}])
        model.generation_config.eos_token_id = sorted(stops)
        expected[text] = generated(model, prompt, 40)
        hand.submit(a_request(text, prompt, max_tokens=40, stop_token_ids=stops))
    hand.run()
    assert hand.tokens() == expected


@pytest.mark.parametrize("family", FAMILIES)
def test_a_resumed_request_goes_on_with_the_same_tokens(family: str) -> None:
    model = a_model(family)
    whole = CoreInHand(chosen(model, "auto"))
    whole.submit(a_request("a", PROMPTS["middle"], temperature=0.9, seed=5, max_tokens=20))
    whole.run()
    tokens = whole.tokens()["a"]
    resumed = CoreInHand(chosen(model, "auto"))
    resumed.submit(
        a_request("a", PROMPTS["middle"], tokens[:9], temperature=0.9, seed=5, max_tokens=20)
    )
    resumed.run()
    assert resumed.tokens()["a"] == tokens[9:]
    assert resumed.ends() == {"a": "length"}


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_a_seed_gives_the_same_tokens_alone_and_in_a_batch_of_sixteen(temperature: float) -> None:
    model = a_model("llama")
    requests = [
        a_request(str(i), [3 + i, 7, 9 * i + 4], temperature=temperature, seed=i, max_tokens=30)
        for i in range(16)
    ]
    together = CoreInHand(chosen(model, "packed", slots=16))
    together.submit(*requests)
    together.run()
    assert max(report.output_tokens for report in together.reports) == 16
    for request in requests:
        alone = CoreInHand(chosen(model, "packed", slots=1))
        alone.submit(request)
        alone.run()
        assert alone.tokens()[request.id] == together.tokens()[request.id]


def test_half_precision_answers_whatever_runs_beside_it_within_its_noise() -> None:
    """bfloat16 rounds differently in another batch: the first tokens agree, all are tokens."""
    model = a_model("llama").to(torch.bfloat16)
    hand = CoreInHand(chosen(model, "packed"))
    for name, prompt in PROMPTS.items():
        hand.submit(a_request(name, prompt, max_tokens=12))
    hand.run()
    model.generation_config.eos_token_id = None
    for name, prompt in PROMPTS.items():
        assert len(hand.tokens()[name]) == 12
        assert hand.tokens()[name][:2] == generated(model, prompt, 12)[:2]
