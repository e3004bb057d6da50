"""A dump that is taken in the middle of everything is a site that goes on from there."""

import asyncio
import subprocess
import uuid
from pathlib import Path

import pytest

from tests.faults.conftest import Theatre
from tests.faults.crowd import Crowd
from tests.faults.mock_text import undisturbed
from tests.support.databases import Database
from tests.support.fixtures import Sites
from tests.support.programs import find_postgres, needed
from tests.support.site import Plan, Site

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.long]


def dump_and_restore(theatre: Theatre, target: str, folder: Path) -> None:
    programs, file = needed(find_postgres(), "PostgreSQL"), folder / "dump"
    dump = [programs / "pg_dump", "-Fc", "-f", file, theatre.site.database.url]
    restore = [programs / "pg_restore", "--no-owner", "-d", target, file]
    for command in (dump, restore):
        subprocess.run([str(part) for part in command], check=True, timeout=60)


async def test_what_ran_and_what_waited_in_a_dump_is_finished_by_the_restored_site(
    theatre: Theatre, sites: Sites, tmp_path: Path
) -> None:
    theatre.site.database.set_policy(max_running=5)
    target = Database(theatre.postgres.create_database())
    async with Crowd(theatre.site) as crowd:
        await asyncio.sleep(2)
        await asyncio.to_thread(dump_and_restore, theatre, target.url, tmp_path)
        await crowd.leave()
    seen = {one.request: one for person in crowd.people for one in person.asked}
    states = target.states()
    assert states["running"] and states["waiting"], states

    plan = Plan(topology="split", n=20)
    site = Site(plan, sites.builder.folder_for("restored"), target, theatre.redis.url)
    site.start()
    try:
        site.wait_until(lambda: set(target.states()) == {"finished"}, "not all ended", 60)
    finally:
        site.stop()
    rows = target.execute("SELECT public_id, output_text FROM inference_generationrequest")
    for key, text in rows:
        one = seen[str(uuid.UUID(str(key)))]
        assert text == undisturbed(one.text, one.seed)
    print(f"in the dump: {states}; all finished with their own text")
