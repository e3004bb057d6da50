"""Faults beside a model that computes: the bundled one, whole and with a hole in its vocabulary."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings

from tests.faults.rows import rows_of
from tests.support.client import Person
from tests.support.fixtures import ComeIn, Sites
from tests.support.processes import ROOT, engines_of
from tests.support.reader import Reader
from tests.support.site import Plan, Site

QUESTIONS = [
    "Tell me a story about a fox.",
    "Count from 1 to 60.",
    "Tell me a story about a boat.",
    "Count from 40 to 99.",
    "What is this site?",
    "Tell me a story about a bear.",
]
POISON = "ß"
ROUNDS = 10

pytestmark = [pytest.mark.redis, pytest.mark.long, pytest.mark.timeout(240)]

# The rows of one letter's bytes in the embeddings are not numbers; what is said is still weighed
# by the weights as they were.
SPOIL = """
import sys, torch
from pathlib import Path
from transformers import AutoModelForCausalLM
from inference.text.tokenizer import Tokenizer
source, target, letter = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32)
weights = model.get_input_embeddings().weight
model.config.tie_word_embeddings = False
model.lm_head.weight = torch.nn.Parameter(weights.detach().clone())
ids = Tokenizer.load(source).encode_plain(letter)
with torch.no_grad():
    weights[ids] = float("nan")
model.save_pretrained(target)
for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
    if (Path(source) / name).exists():
        (Path(target) / name).write_bytes((Path(source) / name).read_bytes())
"""


async def texts_of(person: Person, requests: list[str]) -> list[str]:
    return await asyncio.gather(*(Reader(person, one).whole(90) for one in requests))


async def ask_all(person: Person, questions: list[str]) -> list[str]:
    """Half of them greedily, half with a seed; the request of each."""
    return [
        await person.send(text, temperature=0.8 * (n % 2), seed=n, max_tokens=400, min_tokens=150)
        for n, text in enumerate(questions)
    ]


async def test_answers_of_a_real_model_survive_a_kill_token_for_token(
    sites: Sites, come_in: ComeIn
) -> None:
    plan = Plan(topology="split", engine="local", n=8, env={"CHATSITE_THREADS": "1"})
    site = sites.make(plan)
    site.start()
    try:
        person = await come_in(site)
        expected = await texts_of(person, await ask_all(person, QUESTIONS))
        again = await ask_all(person, QUESTIONS)
        reading = asyncio.create_task(texts_of(person, again))
        rows = rows_of(site.database)
        while sum(len(rows[one].text) > 20 for one in again) < len(again):
            await asyncio.sleep(0.05)
            rows = rows_of(site.database)
        assert all(rows[one].state == "running" for one in again), "they were too quick"
        killed = time.monotonic()
        site.workers[0].kill()
        site.start_worker(0)
        assert await reading == expected
        rows = rows_of(site.database)
        print(f"whole {time.monotonic() - killed:.1f} s after a kill -9, the model loaded anew")
        assert {rows[one].attempt for one in again} == {2}
    finally:
        site.stop()


async def test_a_prompt_that_makes_no_numbers_fails_alone_and_leaves_nothing(
    sites: Sites, come_in: ComeIn, tmp_path: Path
) -> None:
    spoiled = tmp_path / "spoiled"
    command = [sys.executable, "-c", SPOIL, settings.INFERENCE_MODEL, str(spoiled), POISON]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120)
    assert json.loads((spoiled / "config.json").read_text())["tie_word_embeddings"] is False
    env = {"CHATSITE_MODEL": str(spoiled), "CHATSITE_THREADS": "1"}
    site = sites.make(Plan(topology="split", engine="local", n=8, env=env))
    site.start()
    try:
        await _poison_again_and_again(site, await come_in(site))
    finally:
        site.stop()


async def _poison_again_and_again(site: Site, person: Person) -> None:
    expected = await texts_of(person, await ask_all(person, QUESTIONS))
    (engine,) = engines_of(site.workers[0])
    await _beside_a_poisoned_one(site, person, expected)
    before = engine.memory_info().rss
    for _ in range(ROUNDS):
        await _beside_a_poisoned_one(site, person, expected)
    after = engine.memory_info().rss
    print(f"{ROUNDS + 1} poisoned prompts: {before / 2**20:.0f} MB, then {after / 2**20:.0f} MB")
    assert after < 1.1 * before
    assert engines_of(site.workers[0]) == [engine]


async def _beside_a_poisoned_one(site: Site, person: Person, expected: list[str]) -> None:
    good = await ask_all(person, QUESTIONS)
    bad = await person.send(f"Stra{POISON}e", temperature=0)
    assert await texts_of(person, good) == expected
    await texts_of(person, [bad])
    row = rows_of(site.database)[bad]
    assert (row.state, row.code, row.deaths) == ("failed", "bad_logits", 0)
