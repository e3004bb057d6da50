"""A real Redis server for tests, that can die, freeze and come back on the same port."""

import signal
import tempfile
from pathlib import Path

from tests.support.ports import HOST, free_port, wait_for_port
from tests.support.processes import Process


class RedisServer:
    """Empty at every start: it keeps nothing on disk."""

    def __init__(self, program: Path) -> None:
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="chatsite-redis-")
        self.port = free_port()
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    def start(self) -> "RedisServer":
        options = {"port": self.port, "bind": HOST, "save": "", "appendonly": "no"}
        command: list[str | Path] = [self._program]
        for name, value in options.items():
            command += [f"--{name}", str(value)]
        folder = Path(self._folder.name)
        self._process = Process("redis", command, folder / "redis.log", cwd=folder)
        wait_for_port(self.port)
        return self

    def stop(self) -> None:
        """An orderly end; the port and the log stay for another `start`."""
        if self._process is not None:
            self.resume()
            self._process.terminate(10)
            self._process = None

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def pause(self) -> None:
        """Frozen: connections stay open and nothing answers."""
        if self._process is not None and self._process.is_running:
            self._process.signal(signal.SIGSTOP)

    def resume(self) -> None:
        if self._process is not None and self._process.is_running:
            self._process.signal(signal.SIGCONT)

    def close(self) -> None:
        self.stop()
        self._folder.cleanup()

    def __enter__(self) -> "RedisServer":
        return self.start()

    def __exit__(self, *error: object) -> None:
        self.close()
