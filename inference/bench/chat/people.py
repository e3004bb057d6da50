"""People at their tabs who ask at once: `python -m inference.bench.chat.people PLAN PORT FILE`."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inference.bench.chat.plan import Plan, Round
from inference.bench.fanout.guests import come_in
from inference.bench.fanout.tab import Tab, open_tab

HOST = "127.0.0.1"
WARM_UP_TOKENS = 16
LONGEST_SECONDS = 240.0
ACK_CHARACTERS = 4_096
QUESTION = "Please tell me a long story about a small robot that waits for its turn at the library."


@dataclass
class Person:
    """One answer at a time; `ended` is set with its last frame."""

    tab: Tab | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ended_at: float = 0.0
    usage: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    missing: int = 0
    _asked: int = 0
    _characters: int = 0
    _unconfirmed: int = 0

    def ask(self, tokens: int) -> None:
        self.ended.clear()
        self.frames = self._characters = 0
        self._asked += 1
        params = {"temperature": 0, "min_tokens": tokens, "max_tokens": tokens}
        message = {"client_id": str(self._asked), "conversation": None, "text": QUESTION}
        self._say({"type": "message.send", **message, "params": params})

    def hear(self, data: bytes) -> None:
        frame = json.loads(data)
        kind = frame["type"]
        if kind == "message.delta":
            self._take(frame)
        elif kind == "message.finished":
            self.ended_at = time.monotonic()
            self.usage = frame["usage"]
            self.missing = frame["length"] - self._characters
            self.ended.set()
        elif kind in ("request.rejected", "error"):
            raise SystemExit(f"The site refused a message: {frame}")

    def _take(self, delta: dict[str, Any]) -> None:
        length = len(delta["text"])
        self.frames += 1
        self._characters += length
        self._unconfirmed += length
        if self._unconfirmed > ACK_CHARACTERS:
            self._unconfirmed = 0
            end = delta["offset"] + length
            self._say({"type": "ack", "request": delta["request"], "offset": end})

    def _say(self, frame: dict[str, Any]) -> None:
        assert self.tab is not None
        self.tab.send(json.dumps(frame).encode())


async def ask_together(people: list[Person], tokens: int) -> Round:
    begin = time.monotonic()
    for person in people:
        person.ask(tokens)
    for person in people:
        await person.ended.wait()
    return Round(
        tokens=sum(person.usage["completion_tokens"] for person in people),
        seconds=max(person.ended_at for person in people) - begin,
        prompt_tokens=people[0].usage["prompt_tokens"],
        frames=sum(person.frames for person in people),
        missing=sum(person.missing for person in people),
    )


async def run(plan: Plan, port: int) -> list[Round]:
    people = await _all_open(plan.people, port)
    async with asyncio.timeout(LONGEST_SECONDS):
        await ask_together(people, WARM_UP_TOKENS)
        return [await ask_together(people, plan.new) for _ in range(plan.rounds)]


async def _all_open(number: int, port: int) -> list[Person]:
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(4) as threads:
        entering = [loop.run_in_executor(threads, come_in, HOST, port) for _ in range(number)]
        cookies = await asyncio.gather(*entering)
    people = [Person() for _ in range(number)]
    for person, cookie in zip(people, cookies, strict=True):
        person.tab = await open_tab(HOST, port, cookie, person.hear)
    return people


def main(plan: str, port: str, output: str) -> None:
    rounds = asyncio.run(run(Plan.from_json(plan), int(port)))
    Path(output).write_text(json.dumps([asdict(one) for one in rounds]))


if __name__ == "__main__":
    main(*sys.argv[1:4])
