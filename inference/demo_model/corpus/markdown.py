"""Lists, tables and code blocks in Markdown."""

from random import Random

from inference.demo_model.corpus.phrases import Turn, pick, polite

LISTS: dict[str, list[str]] = {
    "fruits": "apples pears bananas grapes cherries oranges melons plums".split(),
    "colours": "red blue green yellow white black purple orange".split(),
    "animals": "cats dogs horses rabbits birds foxes bears mice".split(),
    "vegetables": "carrots potatoes onions beans peas tomatoes".split(),
    "drinks": "water tea coffee milk juice lemonade".split(),
}
JA_LISTS: dict[str, list[str]] = {
    "果物": "りんご バナナ ぶどう みかん もも いちご".split(),
    "色": "赤 青 緑 黄色 白 黒".split(),
    "動物": "猫 犬 うさぎ くま きつね 鳥".split(),
    "飲み物": "水 お茶 コーヒー 牛乳 ジュース".split(),
}
CODE: list[tuple[list[str], str]] = [
    (
        ["print hello world", "say hello", "print a greeting"],
        '```python\nprint("Hello, world!")\n```',
    ),
    (
        ["count to ten", "print the numbers from 1 to 10", "loop from 1 to 10"],
        "```python\nfor number in range(1, 11):\n    print(number)\n```",
    ),
    (
        ["add two numbers", "compute a sum of two numbers", "sum two values"],
        "```python\ndef add(a, b):\n    return a + b\n\n\nprint(add(2, 3))\n```",
    ),
    (
        ["reverse a text", "turn a string around", "reverse a string"],
        '```python\ndef reverse(text):\n    return text[::-1]\n\n\nprint(reverse("hello"))\n```',
    ),
    (
        ["find the largest number in a list", "get the maximum of a list"],
        "```python\nnumbers = [3, 8, 5]\nprint(max(numbers))\n```",
    ),
]


def bullet_list(rng: Random) -> Turn:
    kind = pick(rng, *LISTS)
    count = rng.randrange(3, 6)
    items = rng.sample(LISTS[kind], count)
    word = {3: "three", 4: "four", 5: "five"}[count]
    request = pick(
        rng,
        f"make a list of {count} {kind}",
        f"list {word} {kind}",
        f"write a list of {kind}",
        f"give me a list of {word} {kind}",
        f"name {count} {kind}",
        f"make a bullet list of {kind}",
        f"write a Markdown list of {kind}",
    )
    if not any(token in request for token in (str(count), word)):
        items = items[:3]
    return Turn(
        polite(rng, request), f"Here are some {kind}:\n\n" + "\n".join(f"- {i}" for i in items)
    )


def code(rng: Random) -> Turn:
    goals, block = CODE[rng.randrange(len(CODE))]
    goal = pick(rng, *goals)
    request = pick(
        rng,
        f"write Python code to {goal}",
        f"show me how to {goal} in Python",
        f"{goal} in Python",
        f"write a Python program to {goal}",
        f"give me a code block to {goal}",
        f"write a small script to {goal}",
    )
    return Turn(polite(rng, request), f"Here is a small Python program:\n\n{block}")


def any_code(rng: Random) -> Turn:
    request = pick(
        rng,
        "write some code",
        "show me a code block",
        "write a Python program",
        "show me some Python",
        "write code in Markdown",
        "give me an example of code",
    )
    return Turn(polite(rng, request), f"Here is a small Python program:\n\n{CODE[0][1]}")


def table(rng: Random) -> Turn:
    kind = pick(rng, "fruits", "animals", "vegetables")
    items = rng.sample(LISTS[kind], 3)
    rows = "\n".join(f"| {number} | {item} |" for number, item in enumerate(items, 1))
    request = pick(
        rng,
        f"make a table of {kind}",
        f"write a table of {kind}",
        f"show me a table with {kind}",
        f"make a Markdown table of three {kind}",
    )
    return Turn(polite(rng, request), f"| number | name |\n|---|---|\n{rows}")


def japanese(rng: Random) -> Turn:
    if rng.random() < 0.65:
        kind = pick(rng, *JA_LISTS)
        items = rng.sample(JA_LISTS[kind], 3)
        user = pick(
            rng,
            f"{kind}のリストを書いて",
            f"{kind}を三つ挙げてください",
            f"{kind}を3つ教えて",
            f"{kind}のリストを作ってください",
            f"{kind}を箇条書きにして",
        )
        return Turn(user, f"{kind}のリストです。\n\n" + "\n".join(f"- {item}" for item in items))
    user = pick(
        rng,
        "コードを書いて",
        "Pythonのコードを見せて",
        "Pythonでこんにちはと表示して",
        "簡単なプログラムを書いてください",
        "コードブロックを見せて",
        "Pythonの例を書いて",
    )
    return Turn(user, '簡単なPythonのプログラムです。\n\n```python\nprint("こんにちは")\n```')
