"""What one run of the fan-out bench does, as its processes tell each other."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

# own: this project's layer and publisher. The peers: Channels' own layers, each delta published by
# itself with `group_send`.
KINDS = ("own", "pubsub", "core")
WARM_UP_SECONDS = 2.0


@dataclass(frozen=True)
class Plan:
    """`rate`: tokens per second of each request."""

    kind: str = "own"
    sockets: int = 1_000
    streaming: int = 200
    rate: float = 50.0
    seconds: float = 10.0

    @property
    def offered(self) -> float:
        """Tokens per second, all together."""
        return self.streaming * self.rate

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Plan:
        return cls(**json.loads(text))
