"""A real PostgreSQL server for tests, in a temporary folder, with databases from a template."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.support.ports import HOST, free_port, wait_for_port
from tests.support.processes import Process


class PostgresServer:
    """Nothing here outlives the tests, so it need not survive a crash of the machine.

    `durable`: what was committed survives a crash of the server itself.
    """

    def __init__(self, programs: Path, durable: bool = False, max_connections: int = 200) -> None:
        self._durable = durable
        self._max_connections = max_connections
        self._programs = programs
        self._folder = Path(tempfile.mkdtemp(prefix="chatsite-postgres-"))
        self._as_user = _ordinary_user()
        self.port = free_port()
        self._process: Process | None = None
        self._numbers = count(1)

    def start(self) -> "PostgresServer":
        if self._as_user:
            shutil.chown(self._folder, self._as_user["user"])
        data = self._folder / "data"
        if not data.exists():
            initdb = [str(self._programs / "initdb"), "-D", str(data), "-U", "chatsite"]
            options = ["-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
            subprocess.run(
                [*initdb, *options],
                check=True,
                stdout=subprocess.DEVNULL,
                cwd=self._folder,
                **self._as_user,
            )
        self._process = Process(
            "postgres",
            [self._programs / "postgres", "-D", data, *self._options()],
            self._folder / "postgres.log",
            cwd=self._folder,
            **self._as_user,
        )
        wait_for_port(self.port)
        self._wait_until_it_answers()
        return self

    def _wait_until_it_answers(self, seconds: float = 20.0) -> None:
        # It listens a little before it is ready, and refuses with a message until then.
        deadline = time.monotonic() + seconds
        while True:
            try:
                self._connect().close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)

    def _options(self) -> list[str]:
        values = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "synchronous_commit": "on" if self._durable else "off",
            "full_page_writes": "off",
            "max_connections": self._max_connections,
        }
        return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]

    def url(self, database: str) -> str:
        return f"postgres://chatsite@{HOST}:{self.port}/{database}"

    def create_database(self, template: str = "template0") -> str:
        """A new database, copied from `template`; returns its URL."""
        name = f"site_{os.getpid()}_{next(self._numbers)}"
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"'.encode())
        return self.url(name)

    def stop(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGINT)  # "fast": ends the sessions that are open
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """Every process of the server at once; `start` recovers as after a crash."""
        assert self._process is not None
        sessions = self._process.descendants()
        self._process.kill()
        for session in sessions:
            with suppress(psutil.NoSuchProcess):
                session.kill()
        psutil.wait_procs(sessions, 10)
        self._process = None
        (self._folder / "data" / "postmaster.pid").unlink(missing_ok=True)

    def close(self) -> None:
        if self._process is not None:
            self._process.signal(signal.SIGQUIT)  # "immediate": nothing here is worth a checkpoint
            self._process.wait(20)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(self.url("postgres"), autocommit=True)

    def __enter__(self) -> "PostgresServer":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()


def _ordinary_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root; `subprocess` can change the user."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": name}
    return {}
