"""A site changes its model, or its version, while people read; nobody loses a word."""

import asyncio
import io
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import httpx
import pytest

from tests.faults.crowd import Crowd
from tests.faults.wire_faults import stored_text
from tests.support.databases import Database
from tests.support.fixtures import ComeIn, Sites, StartSite
from tests.support.postgres import PostgresServer
from tests.support.processes import ROOT
from tests.support.reader import Reader
from tests.support.redis_server import RedisServer
from tests.support.site import Plan, Site

# What the newest version is upgraded from. Set it anew when a version is released.
PREVIOUS = "bcf345c"

pytestmark = [pytest.mark.redis, pytest.mark.long]


async def test_a_worker_with_another_model_goes_on_with_the_text(
    start_site: StartSite, come_in: ComeIn
) -> None:
    """Their token ids have nothing to do with each other."""
    site = start_site(topology="split", engine="mock")
    alice = await come_in(site)
    request = await alice.send("Hello. mock:length=300", temperature=0)
    reading = asyncio.create_task(Reader(alice, request).whole())
    site.wait_until(lambda: len(stored_text(site)) > 30, "nothing was stored")
    site.workers[0].kill()
    stored = stored_text(site)
    site.start_worker(0, CHATSITE_ENGINE="local")
    text = await reading
    assert text.startswith(stored) and len(text) > len(stored)
    assert stored_text(site) == text
    assert site.database.states() == {"finished": 1}


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    """The files of the previous version."""
    command = ["git", "archive", PREVIOUS]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip(f"{PREVIOUS} is not in the history of this checkout")
    folder = tmp_path / "previous"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(folder, filter="data")
    return folder


def manage(site: Site, root: Path, *words: str) -> None:
    command = [sys.executable, "manage.py", *words, "--verbosity", "0"]
    subprocess.run(command, cwd=root, env=site.env, check=True, timeout=60)


@pytest.fixture
def site(
    sites: Sites, own_redis: RedisServer, own_postgres: PostgresServer, previous: Path
) -> Site:
    """Two web processes and two workers may come; the database is of the previous version."""
    plan = Plan(topology="split", web=2, workers=2, n=20)
    database = Database(own_postgres.create_database())
    folder = sites.builder.folder_for("upgrade")
    (folder / "static").unlink()  # those of all other sites; here both versions put their own
    (folder / "static").mkdir()
    site = Site(plan, folder, database, own_redis.url)
    manage(site, previous, "migrate")
    manage(site, previous, "collectstatic", "--noinput")
    return site


@pytest.mark.postgres
async def test_a_version_takes_over_from_the_previous_one_under_load(
    site: Site, previous: Path
) -> None:
    crowd = Crowd(site, size=12, message="mock:length=60")
    try:
        await upgrade(site, crowd, previous)
    finally:
        crowd.go_home()
        site.stop()


async def upgrade(site: Site, crowd: Crowd, previous: Path) -> None:
    site.start_web(0, root=previous)
    site.start_worker(0, root=previous)
    site.wait_for_status(f"{site.urls[0]}/readyz")
    for person in crowd.people:
        person.urls = site.urls[:1]
    await crowd.enter()
    began = time.monotonic()
    await asyncio.to_thread(manage, site, ROOT, "migrate")
    await asyncio.to_thread(manage, site, ROOT, "collectstatic", "--noinput")
    await crowd.until_all_grew(time.monotonic())  # old on the new tables

    site.start_web(1)
    await asyncio.to_thread(site.wait_for_status, f"{site.urls[1]}/healthz")
    for person in crowd.people[::2]:
        person.move_to(site.urls[1:])
    await crowd.until_all_grew(time.monotonic() + 4)  # the new web, the old worker
    for url in site.urls:
        page = await asyncio.to_thread(httpx.get, f"{url}/accounts/login/")
        assert page.status_code == 200, page.text  # each finds its own static files

    site.start_worker(1)
    await asyncio.sleep(4)
    assert await asyncio.to_thread(site.workers[0].terminate, 20) == 0
    await crowd.until_all_grew(time.monotonic() + 4)  # the old web, the new worker

    for person in crowd.people:
        person.move_to(site.urls[1:])
    assert await asyncio.to_thread(site.web[0].terminate, 20) == 0
    await crowd.leave()
    crowd.check()
    silence = crowd.longest_silence(began)
    print(f"an upgrade: longest silence {silence:.1f} s, {crowd.answers} answers")
    assert silence < 10
