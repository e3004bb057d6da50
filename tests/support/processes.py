"""Starts programs for tests, keeps what they print, ends them, and finds what they left behind."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
# In the environment of all processes of a site: orphans are found whoever their parent is now.
MARK = "TEST_MARK_OF_CHATSITE"


class Process:
    """A child process whose output goes to a file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        self.name = name
        self.log = log
        self._from = log.stat().st_size if log.exists() else 0
        with log.open("ab") as output:
            # A group of its own: Ctrl-C in the terminal of the tests is not for it.
            self._child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=dict(env) if env is not None else None,
                start_new_session=True,
                **{"cwd": ROOT, **options},
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def returncode(self) -> int | None:
        return self._child.poll()

    @property
    def is_running(self) -> bool:
        return self.returncode is None

    def output(self) -> str:
        """What it printed since this start."""
        with self.log.open("rb") as printed:
            printed.seek(self._from)
            return printed.read().decode(errors="replace")

    def signal(self, number: int) -> None:
        self._child.send_signal(number)

    def wait(self, seconds: float = 30.0) -> int:
        try:
            return self._child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"{self.name} did not end within {seconds:g} s:\n{self.output()[-4000:]}"
            ) from None

    def terminate(self, seconds: float = 30.0) -> int:
        """SIGTERM, and its exit status."""
        if self.is_running:
            self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def pause(self) -> None:
        """Frozen, with all that it started."""
        for pid in [self.pid, *(one.pid for one in self.descendants())]:
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in [self.pid, *(one.pid for one in self.descendants())]:
            os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        if self.is_running:
            self.signal(signal.SIGKILL)
        self.wait(10)

    def descendants(self) -> list[psutil.Process]:
        try:
            return list(psutil.Process(self.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return []


def engines_of(worker: Process) -> list[psutil.Process]:
    """The engine processes that a worker, or a server with one inside, has started."""
    return [one for one in worker.descendants() if _is_engine(one)]


def _is_engine(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False


def has_imported_torch(pid: int) -> bool:
    """Told by the files that are mapped into its memory."""
    return "libtorch" in Path(f"/proc/{pid}/maps").read_text()


def marked(mark: str) -> list[int]:
    """Every live process with this mark in its environment."""
    entry = f"{MARK}={mark}".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if entry in (folder / "environ").read_bytes().split(b"\0") and not _is_zombie(folder):
                found.append(int(folder.name))
        except OSError:  # gone meanwhile, or another user's
            continue
    return sorted(found)


def wait_until_gone(mark: str, seconds: float = 10.0) -> list[int]:
    """The marked processes that are still there after this long; empty is good."""
    deadline = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def kill_marked(mark: str) -> None:
    for pid in marked(mark):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _is_zombie(folder: Path) -> bool:
    return ") Z " in (folder / "stat").read_text()
