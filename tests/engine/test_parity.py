"""Greedy output is that of ``generate``, token for token, whatever runs beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from inference.engine.interleaved import InterleavedRunner
from tests.engine.core import CoreInHand, a_request
from tests.engine.models import FAMILIES, a_model

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


@pytest.mark.parametrize("family", FAMILIES)
def test_interleaved_requests_equal_generate(family: str) -> None:
    model = a_model(family)
    eos = model.generation_config.eos_token_id
    expected = {name: generated(model, prompt, 24) for name, prompt in PROMPTS.items()}
    assert len({tuple(tokens) for tokens in expected.values()}) == len(PROMPTS)
    hand = CoreInHand(InterleavedRunner(model))
    for name, prompt in PROMPTS.items():
        hand.submit(a_request(name, prompt, max_tokens=24, stop_token_ids=[eos]))
        hand.step()  # each joins while the earlier ones run
    hand.run()
    assert hand.tokens() == expected


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
    hand = CoreInHand(InterleavedRunner(model), 512)
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
    whole = CoreInHand(InterleavedRunner(model))
    whole.submit(a_request("a", PROMPTS["middle"], temperature=0.9, seed=5, max_tokens=20))
    whole.run()
    tokens = whole.tokens()["a"]
    resumed = CoreInHand(InterleavedRunner(model))
    resumed.submit(
        a_request("a", PROMPTS["middle"], tokens[:9], temperature=0.9, seed=5, max_tokens=20)
    )
    resumed.run()
    assert resumed.tokens()["a"] == tokens[9:]
    assert resumed.ends() == {"a": "length"}
