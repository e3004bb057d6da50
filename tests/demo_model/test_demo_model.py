"""The bundled model: its corpus, its tokenizer, its size, and that it says what it should."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerFast

from inference.demo_model.chat_format import IGNORED, encode
from inference.demo_model.corpus.build import TOPICS, conversations, held_out, is_held_out
from inference.demo_model.evaluation import answer, exact_share, load
from inference.demo_model.training import Recipe, train
from inference.management.commands.train_demo_model import WEIGHTS

Model = tuple[PreTrainedModel, PreTrainedTokenizerFast]


@pytest.fixture(scope="module")
def model() -> Model:
    return load(WEIGHTS)


def test_the_corpus_is_the_same_for_the_same_seed() -> None:
    assert list(islice(conversations(3), 200)) == list(islice(conversations(3), 200))
    assert list(islice(conversations(3), 50)) != list(islice(conversations(4), 50))


def test_held_out_questions_are_never_learned() -> None:
    learned = {
        message["content"]
        for chat in islice(conversations(5), 3000)
        for message in chat
        if message["role"] == "user"
    }
    assert not any(is_held_out(question) for question in learned)
    for topic in TOPICS:
        questions = {chat[0]["content"] for chat in held_out(5, topic, 10)}
        assert questions and not questions & learned


def test_only_what_the_assistant_says_is_learned(model: Model) -> None:
    tokenizer = model[1]
    chat = [{"role": "user", "content": "Hi 猫"}, {"role": "assistant", "content": "Hello 犬!"}]
    ids, labels = encode(tokenizer, chat)
    learned = [label for label in labels if label != IGNORED]
    assert tokenizer.decode(learned) == "Hello 犬!<|im_end|>"
    assert len(ids) == len(labels)


def test_the_chat_template_renders_what_was_learned(model: Model) -> None:
    tokenizer = model[1]
    chat = next(islice(conversations(1), 7, 8))
    ids, _ = encode(tokenizer, chat)
    assert tokenizer.apply_chat_template(chat, return_dict=False) == ids


@pytest.mark.parametrize(
    "text", ["Hello, world!", "こんにちは、世界。", "👩‍👩‍👧‍👦 naïve", "\n\ttabs  and spaces "]
)
def test_every_text_survives_the_tokenizer(model: Model, text: str) -> None:
    tokenizer = model[1]
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False).input_ids) == text


def test_the_weights_stay_under_20_mb() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 20_000_000


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Good morning", "Good morning"),
        ("Count from 1 to 10", "1, 2, 3, 4, 5, 6, 7, 8, 9, 10"),
        ("List the days of the week.", "Monday, Tuesday, Wednesday, Thursday, Friday"),
        ("What day comes after Friday?", "Saturday"),
        ("How does the queue work?", "place"),
        ("Tell me a story.", "lived"),
        ("Make a list of three fruits.", "\n- "),
        ("Write some code", "```python"),
        ("Who painted the Mona Lisa?", "CHATSITE_MODEL=Qwen/Qwen3-0.6B make run"),
        ("こんにちは", "こんにちは"),
        ("1から5まで数えてください", "1、2、3、4、5"),
        ("曜日を教えて", "月曜日、火曜日、水曜日"),
        ("お話をして", "。"),
        ("相対性理論とは何ですか？", "CHATSITE_MODEL=Qwen/Qwen3-0.6B make run"),
    ],
)
def test_it_answers_as_it_was_taught(model: Model, question: str, expected: str) -> None:
    assert expected in answer(*model, [{"role": "user", "content": question}])


def test_a_greeting_is_greeted(model: Model) -> None:
    assert answer(*model, [{"role": "user", "content": "Hello"}]).startswith(("Hello", "Hi"))


@pytest.mark.parametrize("topic", ["counting", "unknown"])
def test_most_unseen_questions_are_answered_right(model: Model, topic: str) -> None:
    assert exact_share(*model, seed=11, topic=topic) >= 0.8


@pytest.mark.long
def test_training_makes_a_model_that_loads_and_learns(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    recipe = Recipe(
        tokens=80_000,
        context=128,
        tokens_per_step=512,
        hidden=64,
        layers=2,
        heads=4,
        kv_heads=2,
        intermediate=128,
        held_out_per_topic=1,
        tokenizer_sample=200,
    )
    result = train(tmp_path / "weights", recipe, lambda line: None)
    assert sum(result.losses[-5:]) < 0.7 * sum(result.losses[:5])
    assert set(result.held_out) == set(TOPICS)
    model, tokenizer = load(tmp_path / "weights")
    assert isinstance(answer(model, tokenizer, [{"role": "user", "content": "Hi"}], 5), str)
