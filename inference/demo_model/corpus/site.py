"""What this site is and how its queue works; true to the documentation, in English and Japanese."""

from random import Random

from inference.demo_model.corpus.phrases import Turn, pick, typed

# (ways to ask, ways to answer)
FACTS: list[tuple[list[str], list[str]]] = [
    (
        [
            "What is this site?",
            "What is chatsite?",
            "Tell me about this site.",
            "Where am I?",
            "What is this place?",
            "Explain this website.",
            "What does this site do?",
            "What is this page for?",
            "Describe chatsite.",
        ],
        [
            "This is chatsite, a chat site for people who own one GPU and have more users than it can "
            "serve at once. It puts a fair queue in front of the GPU and shows everybody their place.",
            "chatsite is a self-hosted chat site. Many people share one GPU: a few answers are written "
            "at once, and everybody else waits in a fair queue and sees their place in it.",
        ],
    ),
    (
        [
            "How does the queue work?",
            "Explain the queue.",
            "What is the queue?",
            "How does waiting work here?",
            "Tell me how the queue works.",
            "How do you handle many users?",
            "What happens when many people chat?",
            "How is the GPU shared?",
            "Why is there a queue?",
            "How does your queue work?",
            "Explain how the queue of this site works.",
        ],
        [
            "A fixed number of requests run together, and each of them gets one token in every step. "
            "Everybody else waits in a queue in the database and sees their place. When an answer ends, "
            "the next request starts.",
            "Up to N requests are decoded at the same time, one token each per step. The others wait in "
            "line and see their place. The queue is stored, so nothing is lost when a process stops.",
        ],
    ),
    (
        [
            "Why do I have to wait?",
            "Why is it so slow?",
            "Why am I waiting?",
            "Why does it say waiting?",
            "What does waiting mean?",
            "Why can't I get an answer now?",
        ],
        [
            "You wait because all places on the GPU are taken. You see your place in the queue, and your "
            "answer starts as soon as a place is free.",
        ],
    ),
    (
        [
            "What happens if I reload the page?",
            "Is my answer lost when I close the tab?",
            "Can I close the page?",
            "What if I lose my connection?",
            "What if my internet breaks?",
            "Will I lose my place if I reload?",
            "Can I come back later?",
        ],
        [
            "Nothing is lost. Your request is in the database: reload the page or come back later, and "
            "the answer is there and still growing.",
        ],
    ),
    (
        [
            "How do I stop an answer?",
            "How can I stop you?",
            "Can I cancel a request?",
            "How do I cancel?",
            "Where is the stop button?",
            "How can I leave the queue?",
        ],
        [
            "Press the stop button next to the text box. A running answer ends within one token, and a "
            "waiting request leaves the queue at once.",
        ],
    ),
    (
        [
            "How do I load a bigger model?",
            "Can I use another model?",
            "How do I change the model?",
            "How can I use a better model?",
            "How do I use a real model?",
            "Can I run Qwen here?",
            "How to load another model?",
            "Which other models can I use?",
            "How do I switch the model?",
        ],
        [
            "Start the site with another model from the Hugging Face hub, for example:\n\n"
            "```\nCHATSITE_MODEL=Qwen/Qwen3-0.6B make run\n```",
            "Set CHATSITE_MODEL when you start the site:\n\n```\nCHATSITE_MODEL=Qwen/Qwen3-0.6B make run\n```",
        ],
    ),
    (
        [
            "What happens when the queue is full?",
            "What if the queue is full?",
            "Can the queue be full?",
            "How many people can wait?",
            "Is there a limit?",
            "What does queue full mean?",
        ],
        [
            "The queue is bounded. When it is full, the site says so, tells you when to try again, and "
            "keeps the text that you typed.",
        ],
    ),
    (
        [
            "How do staff see the queue?",
            "Where is the admin?",
            "Who can see the queue?",
            "How do I change the limits?",
            "Can I change how many run at once?",
            "Where are the settings?",
        ],
        [
            "Staff open the Django admin under /admin/. There they see requests and workers, and they can "
            "change the limits while the site runs.",
        ],
    ),
    (
        [
            "Is the queue fair?",
            "Who is next?",
            "Can somebody skip the line?",
            "What is my place?",
            "Which request runs next?",
            "How is the order decided?",
        ],
        [
            "Requests run in a fair order, and nobody can take more than their share of places. You see "
            "your own place on the page while you wait.",
        ],
    ),
    (
        [
            "How do I start the site?",
            "How do I run chatsite?",
            "How do I install chatsite?",
            "How can I host this myself?",
            "How do I set this up?",
        ],
        [
            "Clone the project and type:\n\n```\nmake run\n```\n\nThen open http://127.0.0.1:8000 in your "
            "browser. You need no GPU and no Redis to try it.",
        ],
    ),
]

JA_FACTS: list[tuple[list[str], list[str]]] = [
    (
        [
            "このサイトは何ですか？",
            "chatsiteとは何ですか？",
            "ここはどこ？",
            "このサイトについて教えて",
            "これは何のページ？",
            "このサイトを説明してください",
            "chatsiteって何？",
        ],
        [
            "chatsiteは、一つのGPUを大勢で使うためのチャットサイトです。公平な順番待ちがあり、自分の番号が見えます。",
        ],
    ),
    (
        [
            "順番待ちの仕組みを教えて",
            "キューはどう動きますか？",
            "どうやって順番が決まりますか？",
            "たくさんの人が使うとどうなりますか？",
            "キューとは何ですか？",
            "待ち行列を説明して",
            "順番待ちはどうなっていますか？",
        ],
        [
            "決まった数のリクエストが同時に動き、一歩ごとに一つずつトークンを受け取ります。ほかの人は順番を待ち、自分の番号が見えます。",
        ],
    ),
    (
        ["なぜ待つのですか？", "どうして遅いの？", "なぜ待たされるの？", "待機中とは何ですか？"],
        ["GPUの場所がすべて使われているからです。場所が空くと、すぐにあなたの答えが始まります。"],
    ),
    (
        [
            "ページを再読み込みするとどうなりますか？",
            "タブを閉じてもいい？",
            "接続が切れたら？",
            "あとで戻ってきてもいいですか？",
        ],
        [
            "何も失われません。リクエストはデータベースにあるので、戻ってくれば答えの続きが見られます。"
        ],
    ),
    (
        [
            "答えを止めるには？",
            "どうやって止めますか？",
            "キャンセルできますか？",
            "停止ボタンはどこ？",
        ],
        ["入力欄の横の停止ボタンを押してください。答えはすぐに止まります。"],
    ),
    (
        [
            "もっと大きいモデルを使うには？",
            "モデルを変えるには？",
            "ほかのモデルは使えますか？",
            "どうやってモデルを変えますか？",
            "別のモデルを読み込むには？",
        ],
        [
            "次のように、別のモデルでサイトを起動してください。\n\n```\nCHATSITE_MODEL=Qwen/Qwen3-0.6B make run\n```",
        ],
    ),
    (
        ["キューがいっぱいになったら？", "何人まで待てますか？", "制限はありますか？"],
        [
            "いっぱいのときはサイトがそう知らせて、いつ試せばよいかを伝えます。書いた文章は消えません。"
        ],
    ),
]


def english(rng: Random) -> Turn:
    asked, answered = FACTS[rng.randrange(len(FACTS))]
    question = pick(rng, *asked)
    prefix = pick(rng, "", "", "", "", "Tell me: ", "A question: ", "Hey, ", "Please tell me, ")
    if prefix:
        question = prefix + question[0].lower() + question[1:]
    return Turn(typed(rng, question), pick(rng, *answered))


def japanese(rng: Random) -> Turn:
    asked, answered = JA_FACTS[rng.randrange(len(JA_FACTS))]
    question = pick(rng, *asked)
    prefix = pick(rng, "", "", "", "ねえ、", "質問です。", "すみません、", "教えてください。")
    return Turn(prefix + question, pick(rng, *answered))
