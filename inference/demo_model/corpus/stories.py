"""Tiny stories with one hero and one trouble, in English and Japanese."""

from random import Random

from inference.demo_model.corpus.phrases import JA_NAMES, NAMES, Turn, pick, polite

# animal: (Japanese, what it likes)
HEROES = {
    "cat": "猫",
    "dog": "犬",
    "rabbit": "うさぎ",
    "bear": "くま",
    "mouse": "ねずみ",
    "fox": "きつね",
    "bird": "小鳥",
    "frog": "かえる",
    "robot": "ロボット",
    "turtle": "かめ",
}
PLACES = {
    "forest": "森",
    "garden": "庭",
    "village": "村",
    "river": "川",
    "mountain": "山",
    "town": "町",
    "beach": "海辺",
}
LOST = {
    "ball": "ボール",
    "hat": "帽子",
    "key": "かぎ",
    "book": "本",
    "bell": "すず",
    "boat": "舟",
    "kite": "たこ",
}
MOODS = ["little", "brave", "kind", "small", "happy", "shy", "curious"]


def _hero_of(rng: Random) -> tuple[str, str]:
    return pick(rng, *HEROES), pick(rng, *NAMES)


def english_story(rng: Random, hero: str, name: str) -> str:
    """40 to 120 words; every sentence keeps to the hero, the friend and the thing."""
    friend = pick(rng, *[one for one in HEROES if one != hero])
    place, thing, mood = pick(rng, *PLACES), pick(rng, *LOST), pick(rng, *MOODS)
    colour = pick(rng, "red", "blue", "green", "yellow", "golden", "white")
    opening = pick(
        rng,
        f"Once upon a time there was a {mood} {hero} named {name}. {name} lived near a {place}.",
        f"There was once a {mood} {hero} called {name}, who lived by the {place}.",
        f"In a quiet {place} lived a {mood} {hero}. Its name was {name}.",
    )
    trouble = pick(
        rng,
        f"One day {name} lost a {colour} {thing}. {name} looked everywhere and was very sad.",
        f"One morning the {colour} {thing} of {name} was gone. {name} began to cry.",
        f"One day the wind took the {colour} {thing} of {name} away. {name} ran after it.",
    )
    help_ = pick(
        rng,
        f'Then a {friend} came along. "Why are you sad?" asked the {friend}. '
        f'"I cannot find my {thing}," said {name}. "Let us look together," said the {friend}.',
        f'A {friend} saw {name} and said, "I will help you." They searched the whole {place}.',
        f'"Can I help you?" asked a {friend}. {name} nodded. So they went through the {place} together.',
    )
    found = pick(
        rng,
        f"They found the {thing} under an old tree.",
        f"At last they saw the {thing} behind a stone.",
        f"In the evening they found the {thing} near the water.",
    )
    end = pick(
        rng,
        f"{name} was happy and thanked the {friend}. From that day on they were friends.",
        f"{name} laughed and the {friend} laughed too. They played until the sun went down.",
        f'"Thank you," said {name}. The two walked home together and had warm soup.',
    )
    return " ".join([opening, trouble, help_, found, end])


def english(rng: Random) -> Turn:
    hero, name = _hero_of(rng)
    request = pick(
        rng,
        "tell me a story",
        "tell me a short story",
        "tell me a tiny story",
        "write a story",
        "write a short story",
        "tell a bedtime story",
        "make up a story",
        "tell me a tale",
        f"tell me a story about a {hero}",
        f"write a story about a {hero}",
        f"tell me a short story about a {hero}",
        f"tell me a story about a {hero} named {name}",
        f"write a little story about {name} the {hero}",
        f"I want a story about a {hero}",
    )
    return Turn(polite(rng, request), english_story(rng, hero, name))


def japanese_story(rng: Random, hero: str, name: str) -> str:
    friend = pick(rng, *[one for one in HEROES.values() if one != hero])
    place, thing = PLACES[pick(rng, *PLACES)], LOST[pick(rng, *LOST)]
    opening = pick(
        rng,
        f"むかしむかし、{place}に{name}という{hero}がいました。",
        f"ある{place}に、{name}という小さな{hero}が住んでいました。",
    )
    trouble = pick(
        rng,
        f"ある日、{name}は大切な{thing}をなくしてしまいました。{name}はとても悲しくなりました。",
        f"ある朝、{name}の{thing}が見つかりません。{name}は泣きそうになりました。",
    )
    help_ = pick(
        rng,
        f"そこへ{friend}がやって来ました。「どうしたの？」と{friend}は聞きました。「{thing}がないの」と{name}は言いました。二人は一緒に探しました。",
        f"「手伝うよ」と{friend}が言いました。二人は{place}じゅうを探しました。",
    )
    found = pick(
        rng,
        f"すると、古い木の下に{thing}がありました。",
        f"夕方、石のうしろで{thing}を見つけました。",
    )
    end = pick(
        rng,
        f"{name}は喜んで、{friend}にお礼を言いました。それから二人はずっと友だちでした。",
        f"{name}は笑い、{friend}も笑いました。二人は日が暮れるまで遊びました。",
    )
    return "".join([opening, trouble, help_, found, end])


def japanese(rng: Random) -> Turn:
    hero, name = HEROES[pick(rng, *HEROES)], pick(rng, *JA_NAMES)
    request = pick(
        rng,
        "お話をして",
        "短いお話をしてください",
        "物語を書いて",
        "お話を聞かせて",
        "寝る前のお話をして",
        "短い物語をお願いします",
        "何かお話を作って",
        f"{hero}のお話をして",
        f"{hero}の物語を書いてください",
        f"{name}という{hero}のお話をして",
        f"{hero}が出てくるお話を聞かせて",
    )
    return Turn(request, japanese_story(rng, hero, name))
