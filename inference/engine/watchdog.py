"""Notices an engine process that neither dies nor works any more.

Pure over the times it is told. An engine with requests says something after every step; one that
is silent for too long hangs (a dead driver, a deadlock) and only its end frees its requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from inference.engine.events import EngineEvent, RequestEnded, RequestFailed
from inference.engine.requests import Command, Submit


class Watchdog:
    """``sent`` and ``heard`` are called by different threads."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[str] = set()
        self._since = clock()
        self._overdue = False

    def sent(self, command: Command) -> None:
        if isinstance(command, Submit):
            with self._lock:
                if not self._running:
                    self._since = self._clock()
                self._running.add(command.request.id)

    def heard(self, events: Iterable[EngineEvent]) -> None:
        with self._lock:
            self._since = self._clock()
            for event in events:
                if isinstance(event, RequestEnded | RequestFailed):
                    self._running.discard(event.request_id)

    def hangs(self, seconds: float) -> bool:
        """True when asked a second time during a silence of more than ``seconds``.

        Twice, as the one who asks may itself have been stopped meanwhile and not have read yet.
        """
        with self._lock:
            silent = bool(self._running) and self._clock() - self._since > seconds
            again, self._overdue = silent and self._overdue, silent
            return again
