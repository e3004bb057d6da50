"""A whole site as real processes, in either topology and on either database."""

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import httpx

from tests.support.databases import Database
from tests.support.ports import HOST, free_port
from tests.support.processes import (
    MARK,
    ROOT,
    Process,
    kill_marked,
    wait_until_gone,
)

Topology = Literal["embedded", "split"]
START_SECONDS = 60.0


@dataclass(frozen=True)
class Plan:
    """What to start. N, Q and the per-user bounds are first values of the policy (0 = off)."""

    topology: Topology = "embedded"
    web: int = 1
    workers: int = 1
    server: Literal["daphne", "uvicorn"] = "daphne"
    engine: str = "mock"
    mock_rate: float = 20.0
    n: int = 2
    q: int = 100
    running_per_user: int = 0
    waiting_per_user: int = 0
    reload: bool = False
    env: Mapping[str, str] = field(default_factory=dict)


class Site:
    """Started by `start`, ended by `stop`, which also finds processes that were left behind."""

    def __init__(self, plan: Plan, folder: Path, database: Database, redis_url: str = "") -> None:
        self.plan = plan
        self.folder = folder
        self.database = database
        self.mark = uuid.uuid4().hex
        self.web: list[Process] = []
        self.workers: list[Process] = []
        self.ports = [free_port() for _ in range(plan.web)]
        self._env = environment(plan, folder, database, redis_url) | {MARK: self.mark}

    @property
    def url(self) -> str:
        return self.urls[0]

    @property
    def urls(self) -> list[str]:
        """One for each web process."""
        return [f"http://{HOST}:{port}" for port in self.ports]

    @property
    def env(self) -> dict[str, str]:
        """Of every process of this site: for programs beside it that use the same database."""
        return dict(self._env)

    # --- Life ----------------------------------------------------------------------------------

    def start(self) -> "Site":
        try:
            for number in range(self.plan.web):
                self.start_web(number)
            if self.plan.topology == "split":
                for number in range(self.plan.workers):
                    self.start_worker(number)
            for url in self.urls:
                self.wait_for_status(f"{url}/healthz")
            self.wait_for_status(f"{self.url}/readyz")
        except BaseException:
            kill_marked(self.mark)
            raise
        return self

    def start_web(self, number: int = 0, root: Path = ROOT) -> Process:
        """From another checkout where `root` names one."""
        name = f"web{number}"
        log = self._log(name)
        process = Process(name, self._web_command(number), log, env=self._env, cwd=root)
        self.web[number : number + 1] = [process]
        return process

    def start_worker(
        self, number: int = 0, root: Path = ROOT, before: Sequence[str] = (), **env: str
    ) -> Process:
        """Where given, from another checkout, or by the command `before`; `env` is of this worker
        alone.
        """
        name = f"worker{number}"
        command = [*before, sys.executable, "manage.py", "runworker", "inference"]
        process = Process(name, command, self._log(name), env=self._env | env, cwd=root)
        self.workers[number : number + 1] = [process]
        return process

    def stop(self) -> None:
        """SIGTERM to all; every process must end well and leave no other behind."""
        processes = [*self.web, *self.workers]
        alive = [process for process in processes if process.is_running]
        try:
            statuses = {process.name: process.terminate() for process in alive}
            left = wait_until_gone(self.mark)
        finally:
            kill_marked(self.mark)
        # uvicorn shuts down in order and then dies of the signal that asked for it.
        good = {0, -signal.SIGTERM} if self.plan.server == "uvicorn" else {0}
        bad = {name: status for name, status in statuses.items() if status not in good}
        assert not bad, f"ended with {bad}:\n{self.logs()}"
        assert not left, f"processes {left} were left behind:\n{self.logs()}"

    def _web_command(self, number: int) -> list[str]:
        port = str(self.ports[number])
        if self.plan.topology == "embedded":
            reload = [] if self.plan.reload else ["--noreload"]
            return [sys.executable, "manage.py", "runserver", *reload, f"{HOST}:{port}"]
        module = [sys.executable, "-m", self.plan.server]
        if self.plan.server == "daphne":
            return [*module, "-b", HOST, "-p", port, "chatsite.asgi:application"]
        sockets = ["--ws", "websockets-sansio"]
        return [*module, "--host", HOST, "--port", port, *sockets, "chatsite.asgi:application"]

    def kill(self) -> None:
        """For a test that has already seen how its processes end."""
        kill_marked(self.mark)

    # --- Looking -------------------------------------------------------------------------------

    def wait_for_status(self, url: str, status: int = 200, seconds: float = START_SECONDS) -> None:
        def answers() -> bool:
            self._all_must_live()
            try:
                return httpx.get(url, timeout=5).status_code == status
            except httpx.TransportError:
                return False

        self.wait_until(answers, f"{url} does not answer {status}", seconds)

    def wait_until(self, holds: Callable[[], bool], what: str, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{what} within {seconds:g} s:\n{self.logs()}")
            time.sleep(0.05)

    def logs(self) -> str:
        """The last lines of each process, for a message that explains a failure."""
        tails = []
        for log in sorted(self.folder.glob("*.log")):
            tails.append(f"--- {log.name}\n{log.read_text(errors='replace')[-6000:]}")
        return "\n".join(tails)

    def _all_must_live(self) -> None:
        for process in [*self.web, *self.workers]:
            if not process.is_running:
                raise AssertionError(f"{process.name} ended early:\n{process.output()}")

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"


def environment(
    plan: Plan, folder: Path, database: Database, redis_url: str = ""
) -> dict[str, str]:
    """The environment of a site's processes: nothing of the developer's own settings."""
    own = ("DEBUG", "SECRET_KEY", "ALLOWED_HOSTS", "REDIS_URL", "DATABASE_URL", "DJANGO_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CHATSITE_", "PYTEST", *own))}
    values = {
        "PYTHONUNBUFFERED": "1",
        "CHATSITE_DATA_DIR": str(folder),
        "DATABASE_URL": database.url,
        "CHATSITE_ENGINE": plan.engine,
        "CHATSITE_MOCK_RATE": str(plan.mock_rate),
        "CHATSITE_MAX_RUNNING": str(plan.n),
        "CHATSITE_MAX_WAITING": str(plan.q),
        "CHATSITE_MAX_RUNNING_PER_USER": str(plan.running_per_user),
        "CHATSITE_MAX_WAITING_PER_USER": str(plan.waiting_per_user),
    }
    if plan.topology == "split":
        values["REDIS_URL"] = redis_url
    return kept | values | dict(plan.env)


class SiteBuilder:
    """Migrates and collects static files once; every site then starts from a copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._prepared = folder / "prepared"
        self._collected = False

    def folder_for(self, name: str) -> Path:
        """A data folder for one site, with the static files in it."""
        folder = self._folder / f"{name}-{uuid.uuid4().hex[:6]}"
        folder.mkdir()
        (folder / "static").symlink_to(self._static())
        return folder

    def sqlite(self, folder: Path) -> Database:
        template = self._prepared / "template.sqlite3"
        if not template.exists():
            self._manage("migrate", f"sqlite:///{template}")
        path = folder / "db.sqlite3"
        shutil.copy(template, path)
        return Database(f"sqlite:///{path}")

    def migrate(self, url: str) -> None:
        self._manage("migrate", url)

    def _static(self) -> Path:
        if not self._collected:
            self._manage("collectstatic", f"sqlite:///{self._prepared / 'unused.sqlite3'}")
            self._collected = True
        return self._prepared / "static"

    def _manage(self, command: str, database_url: str) -> None:
        self._prepared.mkdir(exist_ok=True)
        env = environment(Plan(), self._prepared, Database(database_url))
        subprocess.run(
            [sys.executable, "manage.py", command, "--noinput", "--verbosity", "0"],
            check=True,
            cwd=ROOT,
            env=env,
        )
