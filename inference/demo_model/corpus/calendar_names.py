"""Days of the week and months of the year, in English and Japanese."""

from random import Random

from inference.demo_model.corpus.phrases import Turn, pick, polite, typed

DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
MONTHS = (
    "January February March April May June July August September October November December"
).split()
LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
JA_DAYS = [f"{day}曜日" for day in "月火水木金土日"]


def days(rng: Random) -> Turn:
    if rng.random() < 0.4:
        request = pick(
            rng,
            "list the days of the week",
            "name the days of the week",
            "tell me the days of the week",
            "write down the days of the week",
            "say the weekdays",
        )
        return Turn(polite(rng, request), f"{', '.join(DAYS)}.")
    at = rng.randrange(7)
    if rng.random() < 0.5:
        user = pick(
            rng,
            f"What day comes after {DAYS[at]}?",
            f"Which day is after {DAYS[at]}?",
            f"What is the day after {DAYS[at]}?",
            f"What follows {DAYS[at]}?",
        )
        return Turn(typed(rng, user), f"After {DAYS[at]} comes {DAYS[(at + 1) % 7]}.")
    user = pick(
        rng,
        f"What day comes before {DAYS[at]}?",
        f"Which day is before {DAYS[at]}?",
        f"What is the day before {DAYS[at]}?",
    )
    return Turn(typed(rng, user), f"Before {DAYS[at]} comes {DAYS[(at - 1) % 7]}.")


def months(rng: Random) -> Turn:
    if rng.random() < 0.35:
        request = pick(
            rng,
            "list the months of the year",
            "name the months",
            "tell me the twelve months",
            "write down all months",
            "name all the months of the year",
        )
        return Turn(polite(rng, request), f"{', '.join(MONTHS)}.")
    at = rng.randrange(12)
    if rng.random() < 0.35:
        user = pick(
            rng,
            f"How many days does {MONTHS[at]} have?",
            f"How many days are in {MONTHS[at]}?",
            f"How long is {MONTHS[at]}?",
        )
        more = ", and 29 in a leap year" if at == 1 else ""
        return Turn(typed(rng, user), f"{MONTHS[at]} has {LENGTHS[at]} days{more}.")
    if rng.random() < 0.5:
        user = pick(
            rng,
            f"What month comes after {MONTHS[at]}?",
            f"Which month follows {MONTHS[at]}?",
            f"What is the month after {MONTHS[at]}?",
        )
        return Turn(typed(rng, user), f"After {MONTHS[at]} comes {MONTHS[(at + 1) % 12]}.")
    user = pick(
        rng,
        f"What month comes before {MONTHS[at]}?",
        f"Which month is before {MONTHS[at]}?",
        f"What is the month before {MONTHS[at]}?",
    )
    return Turn(typed(rng, user), f"Before {MONTHS[at]} comes {MONTHS[(at - 1) % 12]}.")


def japanese(rng: Random) -> Turn:
    roll = rng.random()
    if roll < 0.25:
        user = pick(
            rng,
            "曜日を教えて",
            "曜日を全部言ってください",
            "一週間の曜日は？",
            "曜日を並べて",
            "曜日の名前を教えてください",
            "一週間の曜日を全部教えて",
        )
        return Turn(user, f"{'、'.join(JA_DAYS)}です。")
    if roll < 0.4:
        user = pick(
            rng,
            "一年の月を教えて",
            "月の名前を全部言って",
            "十二か月を並べてください",
            "一年の月は？",
        )
        return Turn(user, f"{'、'.join(f'{n}月' for n in range(1, 13))}です。")
    at = rng.randrange(7)
    if roll < 0.6:
        user = pick(
            rng,
            f"{JA_DAYS[at]}の次は何曜日ですか？",
            f"{JA_DAYS[at]}の次の日は？",
            f"{JA_DAYS[at]}の翌日は何曜日？",
        )
        return Turn(user, f"{JA_DAYS[at]}の次は{JA_DAYS[(at + 1) % 7]}です。")
    if roll < 0.8:
        user = pick(rng, f"{JA_DAYS[at]}の前は何曜日ですか？", f"{JA_DAYS[at]}の前の日は？")
        return Turn(user, f"{JA_DAYS[at]}の前は{JA_DAYS[(at - 1) % 7]}です。")
    month = rng.randrange(12)
    user = pick(rng, f"{month + 1}月は何日ありますか？", f"{month + 1}月は何日まで？")
    return Turn(user, f"{month + 1}月は{LENGTHS[month]}日あります。")
