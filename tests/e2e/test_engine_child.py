"""The engine process lives exactly as long as the server that started it."""

import os
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.support.fixtures import Sites, StartSite
from tests.support.processes import marked, wait_until_gone
from tests.support.site import Plan, Site


def engines(site: Site) -> list[int]:
    """The spawned engine processes of a site."""
    return [pid for pid in marked(site.mark) if "spawn_main" in _command(pid)]


def _command(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("topology", ["embedded", pytest.param("split", marks=pytest.mark.redis)])
def test_no_engine_outlives_its_server(sites: Sites, topology: str, number: int) -> None:
    site = sites.make(Plan(topology=topology))  # type: ignore[arg-type]
    try:
        site.start()
        server = site.workers[0] if topology == "split" else site.web[0]
        (engine,) = engines(site)
        server.signal(number)
        status = server.wait(15)
        assert status == (-number if number == signal.SIGKILL else 0), server.output()
        if topology == "split":
            site.web[0].terminate()
        assert wait_until_gone(site.mark) == [], f"engine {engine}"
    finally:
        site.kill()


def test_an_engine_killed_from_outside_is_started_again(start_site: StartSite) -> None:
    site = start_site()
    (engine,) = engines(site)
    os.kill(engine, signal.SIGKILL)
    site.wait_until(lambda: bool(set(engines(site)) - {engine}), "no new engine")
    site.wait_for_status(f"{site.url}/readyz")
    assert len(engines(site)) == 1


@pytest.fixture
def watched_file(tmp_path: Path) -> Path:
    """A module that Python imports when its folder is on the path; so the reloader watches it."""
    module = tmp_path / "sitecustomize.py"
    module.write_text("")
    return module


def test_under_autoreload_there_is_one_engine_before_and_after(
    start_site: StartSite, watched_file: Path
) -> None:
    env = {"DEBUG": "1", "PYTHONPATH": str(watched_file.parent)}
    site = start_site(reload=True, env=env)
    (before,) = engines(site)
    time.sleep(1.5)  # the reloader takes its first look at the files a second after the start
    os.utime(watched_file, (time.time() + 10, time.time() + 10))
    site.wait_until(lambda: bool(set(engines(site)) - {before}), "no reload", 30)
    site.wait_until(lambda: len(engines(site)) == 1, "two engines after a reload")
    site.wait_for_status(f"{site.url}/readyz")
    assert len(engines(site)) == 1
