"""Puts topics together into conversations, and keeps what is held out apart from what is learned."""

import zlib
from collections.abc import Callable, Iterator
from random import Random

from inference.demo_model.corpus import (
    calendar_names,
    counting,
    greetings,
    markdown,
    site,
    stories,
    unknown,
)
from inference.demo_model.corpus.phrases import END, Turn, pick

Message = dict[str, str]
Conversation = list[Message]
Topic = Callable[[Random], Turn]

# topic name: (weight, makers); English and Japanese stand apart so that loss is told for each.
TOPICS: dict[str, tuple[int, list[Topic]]] = {
    "greetings": (
        10,
        [
            greetings.hello,
            greetings.with_name,
            greetings.feelings,
            greetings.identity,
            greetings.abilities,
            greetings.thanks,
            greetings.goodbye,
        ],
    ),
    "site": (13, [site.english]),
    "counting": (10, [counting.up, counting.up, counting.in_words, counting.down]),
    "calendar": (9, [calendar_names.days, calendar_names.months]),
    "stories": (12, [stories.english]),
    "markdown": (10, [markdown.bullet_list, markdown.code, markdown.any_code, markdown.table]),
    "unknown": (14, [unknown.english]),
    "greetings-ja": (6, [greetings.ja_hello, greetings.ja_name, greetings.ja_small_talk]),
    "site-ja": (6, [site.japanese]),
    "counting-ja": (4, [counting.japanese]),
    "calendar-ja": (4, [calendar_names.japanese]),
    "stories-ja": (6, [stories.japanese]),
    "markdown-ja": (4, [markdown.japanese]),
    "unknown-ja": (7, [unknown.japanese]),
}
SYSTEMS = (
    "You are a helpful assistant.",
    "Be brief.",
    "You are the assistant of this site.",
    "Answer in a friendly way.",
    "あなたは親切なアシスタントです。",
)
HELD_OUT_SHARE = 20


def is_held_out(question: str) -> bool:
    """One question in twenty is never learned, however often it is drawn."""
    return zlib.crc32(question.strip().lower().rstrip(END).encode()) % HELD_OUT_SHARE == 0


def turn_of(rng: Random, topic: str, held_out: bool) -> Turn:
    """A turn of the topic on the wanted side of the split."""
    makers = TOPICS[topic][1]
    while True:
        turn = makers[rng.randrange(len(makers))](rng)
        if is_held_out(turn.user) == held_out:
            return turn


def conversation_of(rng: Random, topic: str, held_out: bool = False) -> Conversation:
    """One to nine turns, the first of the topic; a fifth of them under a system prompt."""
    others = [name for name in TOPICS if name.endswith("-ja") == topic.endswith("-ja")]
    extra = rng.choices((0, 1, 2, 3, 8), (60, 18, 11, 8, 3))[0]
    topics = [topic, *(pick(rng, *others) for _ in range(extra))]
    messages: Conversation = []
    if rng.random() < 0.2:
        messages.append({"role": "system", "content": pick(rng, *SYSTEMS)})
    for name in topics:
        turn = turn_of(rng, name, held_out)
        messages.append({"role": "user", "content": turn.user})
        messages.append({"role": "assistant", "content": turn.assistant})
    return messages


def conversations(seed: int) -> Iterator[Conversation]:
    """Endless conversations to learn from; the same for the same seed."""
    rng = Random(seed)
    names = list(TOPICS)
    weights = [TOPICS[name][0] for name in names]
    while True:
        yield conversation_of(rng, rng.choices(names, weights)[0])


def held_out(seed: int, topic: str, count: int) -> list[Conversation]:
    """Single-turn conversations whose questions are never learned."""
    rng = Random(f"{seed}-{topic}")
    turns = [turn_of(rng, topic, held_out=True) for _ in range(count)]
    return [
        [{"role": "user", "content": turn.user}, {"role": "assistant", "content": turn.assistant}]
        for turn in turns
    ]
