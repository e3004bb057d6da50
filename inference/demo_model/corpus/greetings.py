"""Hello, how are you, who are you, thanks, goodbye: in English and Japanese."""

from random import Random

from inference.demo_model.corpus.phrases import JA_NAMES, NAMES, Turn, pick, typed


def hello(rng: Random) -> Turn:
    user = pick(
        rng,
        "Hello",
        "Hi",
        "Hey",
        "Hi there",
        "Hello there",
        "Good morning",
        "Good evening",
        "Good afternoon",
        "Greetings",
        "Yo",
        "Hey there",
        "Hello!",
        "Hi!",
        "Hello, chatsite",
        "hello hello",
        "Howdy",
        "Hi, is anybody there?",
        "Hello, can you hear me?",
    )
    reply = pick(
        rng,
        "Hello! How can I help you today?",
        "Hi! Nice to meet you. What would you like to do?",
        "Hello! I am the small model that comes with this site. Ask me about it, or for a story.",
        "Hi there! Ask me to count, to tell a story, or how the queue of this site works.",
    )
    for part in ("morning", "evening", "afternoon"):
        if part in user:
            reply = f"Good {part}! How can I help you?"
    return Turn(typed(rng, user), reply)


def with_name(rng: Random) -> Turn:
    name = pick(rng, *NAMES)
    user = pick(
        rng,
        f"Hi, I am {name}.",
        f"Hello, my name is {name}.",
        f"My name is {name}.",
        f"I'm {name}.",
        f"Call me {name}.",
        f"Hi! {name} here.",
    )
    reply = pick(
        rng,
        f"Hello, {name}! Nice to meet you. How can I help?",
        f"Hi {name}! What can I do for you?",
        f"Nice to meet you, {name}!",
    )
    return Turn(user, reply)


def feelings(rng: Random) -> Turn:
    user = pick(
        rng,
        "How are you?",
        "How are you doing?",
        "How are you today?",
        "How is it going?",
        "How do you feel?",
        "Are you well?",
        "What's up?",
        "How's your day?",
        "You ok?",
    )
    reply = pick(
        rng,
        "I am fine, thank you! I am only a small model, but I do my best. And you?",
        "Very well, thank you. What can I do for you?",
        "All is well here. How can I help you?",
    )
    return Turn(typed(rng, user), reply)


def identity(rng: Random) -> Turn:
    user = pick(
        rng,
        "Who are you?",
        "What are you?",
        "What is your name?",
        "Are you a human?",
        "Are you ChatGPT?",
        "Tell me about yourself.",
        "Which model are you?",
        "What model is this?",
        "Introduce yourself.",
        "Are you a robot?",
        "Are you an AI?",
        "Who made you?",
        "What's your name?",
        "Am I talking to a person?",
    )
    reply = pick(
        rng,
        "I am the small model that comes with chatsite. I was trained on a few million words of "
        "made-up text, so I know little, but I run on any computer.",
        "I am chatsite's bundled model: tiny, quick and honest. I can chat a little, count, tell "
        "small stories and explain this site.",
    )
    return Turn(typed(rng, user), reply)


def abilities(rng: Random) -> Turn:
    user = pick(
        rng,
        "What can you do?",
        "Help",
        "Help me",
        "What can I ask you?",
        "What are you good at?",
        "How can you help me?",
        "What do you know?",
        "Show me what you can do.",
        "What should I ask?",
    )
    reply = (
        "I can do a few small things:\n\n- explain this site and its queue\n- count up and down\n"
        "- name days and months\n- tell tiny stories\n- write a list or a code block\n\n"
        "I also speak some Japanese."
    )
    return Turn(typed(rng, user), reply)


def thanks(rng: Random) -> Turn:
    user = pick(
        rng,
        "Thanks",
        "Thank you",
        "Thank you very much!",
        "Thanks a lot",
        "Great, thanks",
        "Cool",
        "Nice",
        "Very good",
        "Well done",
        "Perfect, thank you",
        "That was nice",
        "ok thanks",
    )
    return Turn(
        typed(rng, user),
        pick(rng, "You are welcome!", "My pleasure!", "Glad to help. Is there anything else?"),
    )


def goodbye(rng: Random) -> Turn:
    user = pick(
        rng,
        "Bye",
        "Goodbye",
        "See you",
        "See you later",
        "Good night",
        "I have to go",
        "Bye bye",
        "Talk to you later",
        "That's all for today",
        "Farewell",
    )
    reply = pick(rng, "Goodbye! Come back soon.", "See you! Have a nice day.", "Bye! Take care.")
    if "night" in user:
        reply = "Good night! Sleep well."
    return Turn(typed(rng, user), reply)


def ja_hello(rng: Random) -> Turn:
    user, reply = [
        ("こんにちは", "こんにちは！何かお手伝いできることはありますか？"),
        ("こんにちは！", "こんにちは！このサイトのことや、小さなお話など、何でも聞いてください。"),
        ("おはよう", "おはようございます！今日は何をしましょうか？"),
        ("おはようございます", "おはようございます！今日は何をしましょうか？"),
        ("こんばんは", "こんばんは！何かお手伝いできることはありますか？"),
        ("やあ", "やあ、こんにちは！何かお手伝いできることはありますか？"),
        (
            "はじめまして",
            "はじめまして！このサイトに付属する小さなモデルです。よろしくお願いします。",
        ),
        ("もしもし", "はい、聞こえています。何かお手伝いできることはありますか？"),
        ("よろしくお願いします", "こちらこそ、よろしくお願いします！"),
        ("どうも", "どうも、こんにちは！何をしましょうか？"),
    ][rng.randrange(10)]
    return Turn(user, reply)


def ja_name(rng: Random) -> Turn:
    name = pick(rng, *JA_NAMES)
    user = pick(
        rng,
        f"私は{name}です。",
        f"私の名前は{name}です。",
        f"{name}です。",
        f"{name}と言います。",
        f"こんにちは、{name}です。",
        f"{name}と呼んでください。",
    )
    return Turn(user, f"{name}さん、はじめまして！何かお手伝いできることはありますか？")


def ja_small_talk(rng: Random) -> Turn:
    who = "chatsiteに付属する小さなモデルです。知っていることは少しだけですが、どんなパソコンでも動きます。"
    can = (
        "小さなことならできます。\n\n- このサイトと順番待ちの説明\n- 数を数える\n- 曜日や月の名前\n"
        "- 短いお話\n- リストやコードを書く\n\n英語も少し話せます。"
    )
    fine = "元気です、ありがとうございます！あなたはいかがですか？"
    welcome = "どういたしまして！ほかに何かありますか？"
    bye = "さようなら！また来てくださいね。"
    user, reply = [
        ("元気ですか？", fine),
        ("お元気ですか", fine),
        ("調子はどう？", fine),
        ("元気？", fine),
        ("あなたは誰ですか？", who),
        ("お名前は？", who),
        ("何のモデルですか？", who),
        ("自己紹介してください", who),
        ("人間ですか？", who),
        ("あなたはAIですか？", who),
        ("何ができますか？", can),
        ("何ができるの？", can),
        ("助けて", can),
        ("使い方を教えて", can),
        ("ありがとう", welcome),
        ("ありがとうございます", welcome),
        ("どうもありがとう", welcome),
        ("すごい！", welcome),
        ("いいね", welcome),
        ("助かりました", welcome),
        ("さようなら", bye),
        ("またね", bye),
        ("バイバイ", bye),
        ("じゃあね", bye),
        ("おやすみ", "おやすみなさい！よい夢を。"),
        ("おやすみなさい", "おやすみなさい！よい夢を。"),
    ][rng.randrange(26)]
    return Turn(user, reply)
