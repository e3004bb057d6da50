"""What one run of the chat bench does, as its processes tell each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Plan:
    """`people` ask at once for `new` tokens each, `rounds` times."""

    people: int = 16
    new: int = 256
    rounds: int = 3
    threads: int = 1

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Round:
    """Seconds from the first message to the last token, at the clients."""

    tokens: int
    seconds: float
    prompt_tokens: int
    frames: int
    missing: int  # characters that did not come by themselves

    @property
    def tokens_per_s(self) -> float:
        return self.tokens / self.seconds
