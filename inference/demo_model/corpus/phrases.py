"""Small tools for making varied sentences. Knows no topic."""

from dataclasses import dataclass
from random import Random

END = ".!?。！？"
NAMES = (
    "Anna Ben Carla David Emma Felix Grace Hugo Iris Jack Kate Leo Mia Noah Olivia Paul Rosa Sam "
    "Tina Victor Wendy Yuki Ken Hana Sora Aiko Maria Omar Lin Raj Zoe Max Nina Tom Lucy"
).split()
JA_NAMES = "ゆき けん はな そら あいこ さくら たろう みき りく あおい ひろし まり なお えり".split()


@dataclass(frozen=True)
class Turn:
    """A question and its answer."""

    user: str
    assistant: str


def pick(rng: Random, *choices: str) -> str:
    return choices[rng.randrange(len(choices))]


def typed(rng: Random, text: str) -> str:
    """The text as somebody may type it: lower case, no full stop, a please, an exclamation."""
    roll = rng.random()
    if roll < 0.25:
        return text.lower().rstrip(END)
    if roll < 0.45:
        return text.rstrip(END)
    if roll < 0.5:
        return text.rstrip(END) + "!"
    return text


def polite(rng: Random, request: str) -> str:
    """An English request in one of several manners; `request` begins with a verb, in lower case."""
    form = pick(
        rng,
        "{r}",
        "{r}",
        "Please {r}",
        "Can you {r}?",
        "Could you {r}?",
        "{r}, please",
        "I want you to {r}",
        "Would you {r} for me?",
        "Hey, {r}",
        "Now {r}",
    )
    text = form.format(r=request)
    return typed(rng, text[0].upper() + text[1:])
