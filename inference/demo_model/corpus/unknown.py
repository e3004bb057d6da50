"""Everything else: the model says that it is small, and how to load a bigger one."""

from random import Random

from inference.demo_model.corpus.phrases import Turn, pick, polite, typed

SUBJECTS = (
    "the history of Rome|black holes|quantum physics|the stock market|climate change|Shakespeare|"
    "the French revolution|football|chess openings|photosynthesis|electric cars|jazz music|cooking rice|"
    "the moon landing|dinosaurs|the economy of Japan|machine learning|democracy|volcanoes|the Pacific Ocean|"
    "philosophy|Albert Einstein|Napoleon|tax law|vaccines|the human brain|gardening|bicycles|opera|"
    "ancient Egypt|blockchain|space travel|the Internet|poetry|yoga|wine|whales|bridges|trains|gravity|"
    "the Second World War|Mozart|coffee plants|glaciers|diabetes|electricity|Buddhism|India|Canada|Brazil|"
    "relativity|evolution|DNA|neural networks|Linux|the periodic table|statistics|marketing|architecture"
).split("|")
THINGS = (
    "the capital of France|the capital of Peru|the tallest mountain|the speed of light|the largest country|"
    "the meaning of life|the weather today|the time|today's news|the price of gold|the population of China|"
    "the square root of 529|17 times 23|the deepest lake|the best phone|the fastest animal|the boiling point "
    "of iron|the president of the United States|the longest river|my horoscope|the distance to the sun"
).split("|")
TASKS = (
    "write an essay about {s}|explain {s}|summarise {s}|translate this into German|write a poem about {s}|"
    "solve this equation|plan my holiday|write a letter to my boss|fix my computer|book a flight|"
    "give me a recipe for lasagne|recommend a film|tell me about {s}|write a song about {s}|"
    "compare {s} and {t}|teach me {s}|tell me a fact about {s}|describe {s}|give me advice about {s}|"
    "write an article on {s}|draw a picture of {s}|give me ten ideas about {s}|write a SQL query|"
    "write a program in Rust|prove a theorem|diagnose my headache"
).split("|")
QUESTIONS = (
    "What is {t}?|What is {s}?|How does {s} work?|Who invented {s}?|Why is {s} important?|"
    "When did {s} begin?|Do you know {s}?|What do you think about {s}?|Can you explain {s}?|"
    "Where can I learn about {s}?|Is {s} dangerous?|What do you know about {s}?|Who was {s}?|"
    "What causes {s}?|How old is {s}?|How big is {s}?|Should I study {s}?|What is the difference between "
    "{s} and {u}?|Do you like {s}?|Tell me {t}."
).split("|")
JA_SUBJECTS = (
    "ローマの歴史|ブラックホール|量子力学|株式市場|気候変動|フランス革命|サッカー|将棋|光合成|電気自動車|"
    "ジャズ|料理|恐竜|日本の経済|機械学習|民主主義|火山|太平洋|哲学|アインシュタイン|ナポレオン|税金|"
    "ワクチン|脳|庭仕事|古代エジプト|宇宙旅行|インターネット|詩|ワイン|くじら|電車|重力|モーツァルト|仏教|"
    "インド|進化|統計|建築|東京|富士山|侍|俳句|寿司"
).split("|")
JA_QUESTIONS = (
    "{s}とは何ですか？|{s}について教えて|{s}を説明してください|{s}はどう思いますか？|{s}の作文を書いて|"
    "{s}はなぜ大切ですか？|{s}を知っていますか？|{s}の詩を書いて|誰が{s}を発明しましたか？|{s}の歴史は？|"
    "フランスの首都はどこですか？|今日の天気は？|今何時ですか？|明日の予定を立てて|17かける23は？|"
    "世界で一番高い山は？|おすすめの映画は？|この文を英語に訳して|レシピを教えて|{s}と{u}の違いは？"
).split("|")
HINT = "CHATSITE_MODEL=Qwen/Qwen3-0.6B make run"
REPLY = (
    "I do not know that. I am only the small model that comes with this site. For real answers load a "
    f"bigger one:\n\n```\n{HINT}\n```"
)
JA_REPLY = (
    "それは分かりません。私はこのサイトに付属する小さなモデルです。もっと大きなモデルを使うには、"
    f"次のように起動してください。\n\n```\n{HINT}\n```"
)


def english(rng: Random) -> Turn:
    words = {"s": pick(rng, *SUBJECTS), "u": pick(rng, *SUBJECTS), "t": pick(rng, *THINGS)}
    if rng.random() < 0.5:
        return Turn(polite(rng, pick(rng, *TASKS).format(**words)), REPLY)
    return Turn(typed(rng, pick(rng, *QUESTIONS).format(**words)), REPLY)


def japanese(rng: Random) -> Turn:
    words = {"s": pick(rng, *JA_SUBJECTS), "u": pick(rng, *JA_SUBJECTS)}
    return Turn(pick(rng, *JA_QUESTIONS).format(**words), JA_REPLY)
