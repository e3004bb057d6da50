"""Two situations that throughput does not show: a long prompt beside others, and a second turn."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from inference.bench.engines import Session
from inference.bench.trace import percentile
from inference.engine.runner import Runner


@dataclass(frozen=True)
class PrefillStall:
    """ITL of ``running`` requests without and with a long prompt being read, in seconds."""

    running: int
    long_prompt: int
    alone_p50: float
    alone_p99: float
    beside_p50: float
    beside_p99: float
    read_seconds: float

    @property
    def ratio(self) -> float:
        return self.beside_p99 / self.alone_p50


def prefill_stall(
    runner: Runner, max_model_len: int, vocabulary: int, *, running: int, long_prompt: int
) -> PrefillStall:
    """Requests decode for a while alone, then beside one that reads ``long_prompt`` tokens."""
    generator = torch.Generator().manual_seed(1)

    def a_prompt(length: int) -> list[int]:
        prompt: list[int] = torch.randint(3, vocabulary, (length,), generator=generator).tolist()
        return prompt

    session = Session(runner, max_model_len)
    room = max_model_len - 65
    names = [session.submit(a_prompt(64), room) for _ in range(running)]
    for _ in range(60):
        session.step()
    alone_until = min(len(session.trace(name).token_times) for name in names)
    late = session.submit(a_prompt(long_prompt), 1)
    while session.is_open(late):
        session.step()
    alone: list[float] = []
    beside: list[float] = []
    for name in names:
        times = session.trace(name).token_times
        gaps = [later - earlier for earlier, later in zip(times, times[1:], strict=False)]
        alone += gaps[10 : alone_until - 1]
        beside += gaps[alone_until - 1 :]
        session.abort(name)
    session.step()
    read = session.trace(late)
    return PrefillStall(
        running,
        long_prompt,
        percentile(alone, 50),
        percentile(alone, 99),
        percentile(beside, 50),
        percentile(beside, 99),
        read.token_times[0] - read.submitted,
    )


@dataclass(frozen=True)
class SecondTurn:
    """Time to the first token of two turns of one conversation, in seconds."""

    prompt_tokens: int
    first_ttft: float
    second_ttft: float
    cached_tokens: int

    @property
    def ratio(self) -> float:
        return self.second_ttft / self.first_ttft


def second_turn(
    runner: Runner, max_model_len: int, vocabulary: int, *, prompt: int, seed: int, answer: int = 32
) -> SecondTurn:
    """The second turn is the first one's prompt and answer and 32 tokens more."""
    generator = torch.Generator().manual_seed(seed)

    def tokens(length: int) -> list[int]:
        made: list[int] = torch.randint(3, vocabulary, (length,), generator=generator).tolist()
        return made

    session = Session(runner, max_model_len)
    beginning = tokens(prompt)
    first = session.trace(session.submit(beginning, answer, scope=f"talk {seed}"))
    session.run()
    again = [*beginning, *first.token_ids, *tokens(32)]
    second = session.trace(session.submit(again, answer, scope=f"talk {seed}"))
    session.run()
    return SecondTurn(
        prompt,
        first.token_times[0] - first.submitted,
        second.token_times[0] - second.submitted,
        second.cached_tokens,
    )
