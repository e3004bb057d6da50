"""The async client of the engine process, used by its parent.

Owns the child: starts it, carries commands and events, notices its death, ends it. Knows token
ids only. Imports no torch; what the child imports is named by a dotted path.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import queue
import signal
import threading
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from multiprocessing.util import Finalize
from typing import Any

from inference.engine import child
from inference.engine.errors import LoadError
from inference.engine.events import (
    EngineDied,
    EngineEvent,
    EngineFailed,
    EngineReady,
    LoadProgress,
)
from inference.engine.options import EngineInfo
from inference.engine.requests import Abort, Command, EngineRequest, Stop, Submit
from inference.engine.watchdog import Watchdog

REAL_ENGINE = "inference.engine.loader:build"
MOCK_ENGINE = "inference.engine.mock_runner:build"
STOP_SECONDS = 3.0
LOOK_SECONDS = 1.0


class _Child:
    """One life of the engine process, with a thread for each direction of its pipes.

    Threads, because neither a full pipe nor a half-written message may hold up the event loop.
    """

    def __init__(
        self, factory: str, options: Any, deliver: Callable[[list[EngineEvent]], None]
    ) -> None:
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._outbox: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
        self._reaping = threading.Lock()
        self.watchdog = Watchdog(time.monotonic)
        self._killed_for = ""
        context = multiprocessing.get_context("spawn")
        commands, self._commands = context.Pipe(duplex=False)
        self._events, events = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(
            target=child.main,
            args=(factory, options, commands, events),
            name="chatsite-engine",
            daemon=True,
        )
        try:
            self.process.start()
        finally:
            # The child holds the only other copies: when one side dies the other reads EOF.
            commands.close()
            events.close()
        # multiprocessing ends daemons by SIGTERM at exit, which this one ignores: be before it.
        self._at_exit = Finalize(None, self.process.kill, exitpriority=10)
        for target in (self._read, self._write):
            threading.Thread(target=target, name="engine-pipe", daemon=True).start()

    def send(self, command: Command) -> None:
        self.watchdog.sent(command)
        self._outbox.put(command)

    def kill(self, reason: str) -> None:
        """Ends it at once; ``reason`` becomes the detail of its EngineDied."""
        self._killed_for = reason
        self.process.kill()

    def hang_up(self) -> None:
        """Closes the command pipe once all commands are through; the child ends by that."""
        self._outbox.put(None)

    def end(self, seconds: float) -> None:
        """Waits for the child's end, and forces it when the time is over. Blocks."""
        with self._reaping:  # two threads that reap one process confuse multiprocessing
            self.process.join(seconds)
            if self.process.is_alive():
                self.process.kill()
                self.process.join()
        self._at_exit.cancel()
        self.hang_up()

    def _write(self) -> None:
        with contextlib.suppress(OSError):
            while (command := self._outbox.get()) is not None:
                self._commands.send(command)
        self._commands.close()

    def _read(self) -> None:
        detail = ""
        with contextlib.suppress(Exception):  # EOF, or a message that a dying child garbled
            while True:
                events: list[EngineEvent] = self._events.recv()
                self.watchdog.heard(events)
                if isinstance(events[-1], EngineFailed):
                    detail = events[-1].detail
                else:
                    self._hand_over(events)
        self._events.close()
        self.end(STOP_SECONDS)
        code = self.process.exitcode
        detail = self._killed_for or detail or describe_exit(code)
        self._hand_over([EngineDied(code, detail)])

    def _hand_over(self, events: list[EngineEvent]) -> None:
        # RuntimeError: the event loop is closed, so that nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._deliver, events)


class EngineClient:
    """``start``, then ``submit``, ``abort`` and ``events``. A crash of the child is an event.

    After EngineDied ``start`` may be called again.
    """

    def __init__(self, factory: str, options: Any) -> None:
        self._factory = factory
        self._options = options
        self._child: _Child | None = None
        self._batches: asyncio.Queue[list[EngineEvent]] = asyncio.Queue()
        self._watching: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int | None:
        return self._child.process.pid if self._child else None

    async def start(self, on_progress: Callable[[LoadProgress], None]) -> EngineInfo:
        """Starts the process and waits until it is ready. Raises LoadError with a sentence."""
        if self._child is not None:
            raise RuntimeError("The engine process is already there.")
        self._batches = asyncio.Queue()
        self._child = _Child(self._factory, self._options, self._batches.put_nowait)
        try:
            info = await self._wait_until_ready(on_progress)
            self._watching = asyncio.create_task(_watch(self._child, info.hang_seconds))
            return info
        except BaseException:  # also when the caller gives up waiting: leave no process behind
            self._kill()
            raise

    def submit(self, request: EngineRequest) -> None:
        self._send(Submit(request))

    def abort(self, request_id: str) -> None:
        self._send(Abort(request_id))

    async def events(self) -> list[EngineEvent]:
        """The next batch, which is one step of the engine. EngineDied is the last one of a life."""
        batch = await self._batches.get()
        if isinstance(batch[-1], EngineDied):
            self._child = None
            self._stop_watching()
        return batch

    async def stop(self) -> None:
        """Ends the process, politely first. Idempotent."""
        ending, self._child = self._child, None
        self._stop_watching()
        if ending is not None:
            ending.send(Stop())
            ending.hang_up()
            await asyncio.to_thread(ending.end, STOP_SECONDS)

    def _stop_watching(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _send(self, command: Command) -> None:
        # Without a child there is nobody to tell: its EngineDied ended all requests.
        if self._child is not None:
            self._child.send(command)

    async def _wait_until_ready(self, on_progress: Callable[[LoadProgress], None]) -> EngineInfo:
        while True:
            for event in await self._batches.get():
                match event:
                    case LoadProgress():
                        on_progress(event)
                    case EngineReady(info):
                        return info
                    case EngineDied(_, detail):
                        raise LoadError(detail)

    def _kill(self) -> None:
        ending, self._child = self._child, None
        if ending is not None:
            ending.process.kill()
            ending.hang_up()


async def _watch(watched: _Child, hang_seconds: float) -> None:
    while not watched.watchdog.hangs(hang_seconds):
        await asyncio.sleep(LOOK_SECONDS)
    watched.kill(f"The engine process was silent for {hang_seconds:.0f} seconds and was ended.")


def describe_exit(code: int | None) -> str:
    """A sentence for an exit code as multiprocessing gives it."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"The engine process was ended by {signal.Signals(-code).name}."
    return f"The engine process ended with exit code {code}."


__all__ = ["MOCK_ENGINE", "REAL_ENGINE", "EngineClient", "describe_exit"]
