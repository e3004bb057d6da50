"""Carries a process's totals to where they are kept, from a thread of its own and at the end.

Knows neither what is counted nor where it goes. What could not be written is kept for the next
time.
"""

import atexit
import logging
import threading
import time
from collections.abc import Callable

from django.db import connections

from inference import conf
from inference.telemetry.totals import Deltas, Totals

logger = logging.getLogger(__name__)


class Flusher:
    """Its thread starts with the first event, sleeps while there are none, and dies with the
    process.
    """

    def __init__(self, totals: Totals, write: Callable[[Deltas], None]) -> None:
        self._totals = totals
        self._write = write
        self._writing = threading.Lock()
        self._starting = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed = False

    def notice(self) -> None:
        """There is something to write."""
        self._news.set()
        if self._thread is None and conf.metrics_are_kept():
            self._start()

    def flush(self) -> bool:
        """Writes what there is; False if that failed."""
        with self._writing:
            taken = self._totals.take()
            if not taken:
                return True
            try:
                self._write(taken)
            except Exception as error:  # whatever it is, the next time may be better
                self._totals.add(taken)
                if not self._failed:
                    logger.warning("Could not store metrics (%s); they are kept.", error)
                self._failed = True
                return False
            self._failed = False
            return True

    def close(self) -> None:
        """Writes the last of a process that has begun to write; its connection ends."""
        if self._thread is not None:
            self.flush()
            connections.close_all()

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            self._thread.start()
            atexit.register(self.close)

    def _run(self) -> None:
        while True:
            self._news.wait()
            time.sleep(conf.METRICS_SECONDS)
            self._news.clear()
            if not self.flush():
                self._news.set()
            connections.close_all()  # an idle process shall hold none
