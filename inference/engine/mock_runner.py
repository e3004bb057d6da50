"""A runner without a model: repeatable text at a chosen rate, with faults on demand.

For load tests, fault tests and work on the page. The newest user message may hold directives:
mock:length=N  mock:rate=R  mock:stall=S@K  mock:error@K  mock:crash@K  mock:hang@K  mock:hoard@K
mock:echo
K counts output tokens from 0: the fault happens in place of token K; a hoard takes two gigabytes of
memory, for a machine that has less to end it.
"""

from __future__ import annotations

import math
import os
import re
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from inference.engine.errors import LoadError
from inference.engine.events import LoadProgress
from inference.engine.mixing import key_of
from inference.engine.mock_words import WORD_BASE, WORDS, newest_message
from inference.engine.options import HANG_SECONDS, EngineInfo, MockOptions
from inference.engine.requests import EngineRequest
from inference.engine.runner import Begun, Fault, StepResult, Token
from inference.engine.step_report import StepReport

DEFAULT_LENGTH = 60
DEFAULT_SLOTS = 64
DEFAULT_MAX_MODEL_LEN = 32768
CRASH_CODE = 70
FOR_EVER = 10**6
HOARD_BYTES = 2 * 2**30
HOARD_PIECE = 2**24
DIRECTIVE = re.compile(
    r"mock:(?:(length)=(\d{1,9})|(rate)=(\d{1,6}(?:\.\d{1,6})?)"
    r"|(stall)=(\d{1,6}(?:\.\d{1,6})?)@(\d{1,9})|(error|crash|hang|hoard)@(\d{1,9})|(echo))"
)


@dataclass
class Directives:
    """What one message asks of the mock."""

    rate: float
    length: int = DEFAULT_LENGTH
    stall_seconds: float = 0.0
    stall_at: int | None = None
    error_at: int | None = None
    crash_at: int | None = None
    hang_at: int | None = None
    hoard_at: int | None = None
    echo: str | None = None

    @classmethod
    def read(cls, message: str, rate: float) -> Directives:
        found = cls(rate)
        for match in DIRECTIVE.finditer(message):
            found._apply([group for group in match.groups() if group is not None])
        if found.echo is not None:
            found.echo = DIRECTIVE.sub("", message).strip() or "…"
            found.length = len(found.echo)
        return found

    def _apply(self, parts: list[str]) -> None:
        match parts:
            case ["length", value]:
                self.length = max(1, int(value))
            case ["rate", value]:
                self.rate = max(0.01, float(value))
            case ["stall", seconds, position]:
                self.stall_seconds, self.stall_at = float(seconds), int(position)
            case ["error", position]:
                self.error_at = int(position)
            case ["crash", position]:
                self.crash_at = int(position)
            case ["hang", position]:
                self.hang_at = int(position)
            case ["hoard", position]:
                self.hoard_at = int(position)
            case ["echo"]:
                self.echo = ""


class _Sequence:
    """One request: what it says next, and when."""

    def __init__(self, request: EngineRequest, slot: int, rate: float, now: float) -> None:
        prompt = request.prompt_token_ids
        self.id = request.id
        self.slot = slot
        self.directives = Directives.read(newest_message(prompt), rate)
        self.position = len(request.output_token_ids)
        self._seed = request.seed ^ zlib.crc32(",".join(map(str, prompt)).encode())
        self._stalled = False
        # On the grid of its rate, so that requests of one rate share their steps as in a batch.
        self.due = (math.floor(now * self.directives.rate) + 1) / self.directives.rate

    def advance(self, now: float) -> StepResult | None:
        """The result that is due, or None while it stalls."""
        wanted = self.directives
        if self.position == wanted.stall_at and not self._stalled:
            self._stalled = True
            self.due = now + wanted.stall_seconds
            return None
        if self.position == wanted.crash_at:
            os._exit(CRASH_CODE)
        if self.position == wanted.hang_at:
            time.sleep(FOR_EVER)
        if self.position == wanted.hoard_at:
            _hoard()
        if self.position == wanted.error_at:
            return Fault(self.id, "engine_error", "The mock engine was asked to fail.")
        token = Token(self.id, self._token(), last=self.position + 1 >= wanted.length)
        self.position += 1
        self.due = max(self.due + 1.0 / wanted.rate, now - 1.0)
        return token

    def _token(self) -> int:
        if self.directives.echo is not None:
            return ord(self.directives.echo[min(self.position, self.directives.length - 1)])
        return WORD_BASE + key_of(self._seed, self.position) % len(WORDS)


def _hoard() -> None:
    held = [
        b"x" * HOARD_PIECE for _ in range(HOARD_BYTES // HOARD_PIECE)
    ]  # written to, so it counts
    held.clear()


class MockRunner:
    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._clock = clock
        self._sequences: dict[str, _Sequence] = {}
        self._new: list[str] = []
        self._report = StepReport()

    def add(self, request: EngineRequest) -> None:
        taken = {sequence.slot for sequence in self._sequences.values()}
        slot = next(slot for slot in count() if slot not in taken)
        self._sequences[request.id] = _Sequence(request, slot, self._rate, self._clock())
        self._new.append(request.id)

    def remove(self, request_id: str) -> None:
        del self._sequences[request_id]

    def step(self) -> list[StepResult]:
        now = self._clock()
        due = [sequence for sequence in self._sequences.values() if sequence.due <= now]
        new = [self._sequences[id_] for id_ in self._new if id_ in self._sequences]
        begun = [Begun(sequence.id, 0, sequence.slot) for sequence in new]
        self._new.clear()
        made = [result for sequence in due if (result := sequence.advance(now)) is not None]
        self._report = StepReport(running=len(self._sequences), output_tokens=len(made))
        return [*begun, *made]

    def report(self) -> StepReport:
        return self._report

    def wait_seconds(self) -> float:
        if self._new:
            return 0.0
        soonest = min(sequence.due for sequence in self._sequences.values())
        return max(0.0, soonest - self._clock())


def build(
    options: MockOptions, on_progress: Callable[[LoadProgress], None]
) -> tuple[MockRunner, EngineInfo]:
    """The factory of the engine process (see ``process.MOCK_ENGINE``)."""
    if not options.rate > 0:
        raise LoadError("The rate of the mock engine must be above 0.")
    on_progress(LoadProgress("starting the mock engine", 1.0))
    max_model_len = options.max_model_len or DEFAULT_MAX_MODEL_LEN
    info = EngineInfo(
        model="mock",
        device="none",
        dtype="none",
        max_model_len=max_model_len,
        slots=options.slots or DEFAULT_SLOTS,
        runner="mock",
        hang_seconds=options.hang_seconds or HANG_SECONDS,
    )
    return MockRunner(options.rate), info
