"""The requests of a backend between submit and their end, by its own name and by the engine's.

The engine's name is new with every submit: what the engine still says of an ended request never
reaches a later one of the same id.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from inference.backends.answer import Answer
from inference.backends.base import Generation


@dataclass(eq=False)
class LiveRequest:
    """``answer`` is there once the engine has the request.

    ``translated``: the tokens of an earlier attempt's text, where another vocabulary made it.
    """

    generation: Generation
    engine_id: str
    truncated: bool = False
    translated: list[int] = field(default_factory=list)
    answer: Answer | None = None

    @property
    def id(self) -> str:
        return self.generation.request_id


class LiveRequests:
    def __init__(self) -> None:
        self._by_id: dict[str, LiveRequest] = {}
        self._by_engine_id: dict[str, LiveRequest] = {}
        self._serial = count(1)

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, live: LiveRequest) -> bool:
        return live.engine_id in self._by_engine_id

    def add(self, generation: Generation) -> LiveRequest:
        request_id = generation.request_id
        if request_id in self._by_id:
            raise ValueError(f"Request {request_id} is already here.")
        live = LiveRequest(generation, f"{request_id}#{next(self._serial)}")
        self._by_id[request_id] = self._by_engine_id[live.engine_id] = live
        return live

    def get(self, request_id: str) -> LiveRequest | None:
        return self._by_id.get(request_id)

    def of_engine(self, engine_id: str) -> LiveRequest | None:
        return self._by_engine_id.get(engine_id)

    def remove(self, live: LiveRequest) -> None:
        del self._by_id[live.id]
        del self._by_engine_id[live.engine_id]

    def clear(self) -> None:
        self._by_id.clear()
        self._by_engine_id.clear()
