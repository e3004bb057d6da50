"""Counting up and down, in English and Japanese."""

from random import Random

from inference.demo_model.corpus.phrases import Turn, pick, polite

WORDS = {"five": 5, "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30}


def up(rng: Random) -> Turn:
    start = 1 if rng.random() < 0.8 else rng.randrange(2, 20)
    end = start + rng.randrange(2, 20 if rng.random() < 0.85 else 50)
    numbers = ", ".join(map(str, range(start, end + 1)))
    request = pick(
        rng,
        f"count from {start} to {end}",
        f"count from {start} up to {end}",
        f"give me the numbers from {start} to {end}",
        f"list the numbers {start} to {end}",
        f"say the numbers from {start} to {end}",
        f"write the numbers from {start} to {end}",
    )
    if start == 1:
        request = pick(rng, request, request, f"count to {end}", f"count up to {end}")
    return Turn(polite(rng, request), f"{numbers}.")


def in_words(rng: Random) -> Turn:
    word = pick(rng, *WORDS)
    numbers = ", ".join(map(str, range(1, WORDS[word] + 1)))
    return Turn(
        polite(rng, pick(rng, f"count to {word}", f"count from one to {word}")), f"{numbers}."
    )


def down(rng: Random) -> Turn:
    start = rng.randrange(3, 25)
    end = pick(rng, "1", "1", "0")
    numbers = ", ".join(map(str, range(start, int(end) - 1, -1)))
    request = pick(
        rng,
        f"count down from {start} to {end}",
        f"count backwards from {start} to {end}",
        f"count from {start} down to {end}",
    )
    return Turn(polite(rng, request), f"{numbers}.")


def japanese(rng: Random) -> Turn:
    start = 1 if rng.random() < 0.8 else rng.randrange(2, 20)
    end = start + rng.randrange(2, 20)
    please = pick(rng, "数えてください", "数えて", "数えてくれますか？", "数えてみて", "数を言って")
    if rng.random() < 0.2:
        numbers = "、".join(map(str, range(end, start - 1, -1)))
        return Turn(f"{end}から{start}まで逆に{please}", f"{numbers}。")
    numbers = "、".join(map(str, range(start, end + 1)))
    return Turn(f"{start}から{end}まで{please}", f"{numbers}。")
