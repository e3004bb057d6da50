"""The body of the engine process. Lives exactly as long as its parent wants it to.

Knows pipes and signals. What it runs is named by a dotted path and imported only after the
watch over the parent began, so that a slow import cannot make an orphan.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from inference.engine.errors import LoadError
from inference.engine.events import EngineEvent, EngineFailed, EngineReady, LoadProgress
from inference.engine.loop import EngineCore
from inference.engine.options import EngineInfo
from inference.engine.requests import Command
from inference.engine.runner import Runner

# Builds what the process runs: (options, on_progress) -> (runner, info).
EngineFactory = Callable[[Any, Callable[[LoadProgress], None]], tuple[Runner, EngineInfo]]

FAILED_TO_LOAD = 3
FAULT = 4


class CommandQueue:
    """Commands of the parent. Its thread ends the process the moment the parent is gone."""

    def __init__(self, commands: Connection) -> None:
        self._commands = commands
        self._queue: queue.SimpleQueue[Command] = queue.SimpleQueue()

    def watch(self) -> None:
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def take(self, timeout: float | None) -> list[Command]:
        taken: list[Command] = []
        if timeout is None or timeout > 0:
            with contextlib.suppress(queue.Empty):
                taken.append(self._queue.get(timeout=timeout))
        with contextlib.suppress(queue.Empty):
            while True:
                taken.append(self._queue.get_nowait())
        return taken

    def _read(self) -> None:
        try:
            while True:
                self._queue.put(self._commands.recv())
        except BaseException:
            # The pipe is closed (the parent is gone) or carries rubbish: in both cases nobody
            # can command this process any more. No clean-up: the main thread may be anywhere.
            os._exit(0)


def main(factory: str, options: Any, commands: Connection, events: Connection) -> None:
    """Target of the spawned process."""
    inbox = CommandQueue(commands)
    inbox.watch()
    # Ctrl-C reaches the whole terminal group, and a service manager's SIGTERM the whole group of
    # the service. The parent alone decides when this process ends: it may want to drain first.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    faulthandler.enable()
    runner, info = _load(factory, options, events)
    core = EngineCore(runner, info.max_model_len, inbox.take, events.send)
    # What loading left behind is never garbage: without this a full collection walks through all
    # of it, which other engines measured as pauses of 50 to 300 ms.
    gc.collect()
    gc.freeze()
    try:
        events.send([EngineReady(info)])
        core.run()
    except Exception as error:
        traceback.print_exc()
        _leave(events, f"{type(error).__name__}: {error}", FAULT)


def _load(factory: str, options: Any, events: Connection) -> tuple[Runner, EngineInfo]:
    try:
        module, _, name = factory.partition(":")
        build: EngineFactory = getattr(import_module(module), name)
        return build(options, lambda progress: events.send([progress]))
    except LoadError as error:
        _leave(events, str(error), FAILED_TO_LOAD)
    except Exception as error:
        traceback.print_exc()
        _leave(events, f"{type(error).__name__}: {error}", FAILED_TO_LOAD)


def _leave(events: Connection, detail: str, code: int) -> NoReturn:
    last_words: list[EngineEvent] = [EngineFailed(detail)]
    with contextlib.suppress(OSError):
        events.send(last_words)
    sys.stderr.flush()
    os._exit(code)
