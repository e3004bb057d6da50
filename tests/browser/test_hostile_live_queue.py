"""Names that try to be markup, in the live queue: they are shown as text and do nothing (S6)."""

import json
import subprocess
import sys

from playwright.async_api import Browser, Dialog, expect

from tests.support.fixtures import StartSite
from tests.support.hostile import hostile_texts
from tests.support.processes import ROOT
from tests.support.site import Site
from tests.support.staff import hire, sign_in

PAGE = "/admin/inference/queue/"
EVERYBODY_ASKS = """
import json, sys
import django
django.setup()
from django.contrib.auth import get_user_model
from inference.queue import NewRequest, submit
for name in json.load(sys.stdin):
    person = get_user_model().objects.create(username=name)
    submit(NewRequest(person.pk, "", [{"role": "user", "content": name}], {}, f"user.{person.pk}"))
"""
ALIVE = "script:not([src]):not([type='application/json']), img, iframe, object, embed, base, meta"


async def test_hostile_names_prompts_models_and_errors_stay_text_in_the_live_queue(
    start_site: StartSite, browser: Browser
) -> None:
    site = start_site(n=1, q=1000, mock_rate=0.1)
    names = [text.replace("\0", "") for text in hostile_texts()]
    assert len(names) >= 150
    _everybody_asks(site, names)
    _a_hostile_worker(site, names[0])
    hire(site.database, "dora", "watch_queue", "steer_queue")
    staff = await sign_in(browser, site, "dora", PAGE)
    dialogs: list[Dialog] = []
    staff.page.on("dialog", lambda dialog: dialogs.append(dialog))
    rows = staff.page.locator("[data-testid=running-row], [data-testid=waiting-row]")
    await expect(rows).to_have_count(len(names))
    shown = await rows.get_by_test_id("user").evaluate_all("all => all.map(a => a.textContent)")
    assert sorted(shown) == sorted(names)
    monitor = staff.page.locator("[data-monitor]")
    assert await monitor.locator(ALIVE).count() == 0
    handlers = """root => [...root.querySelectorAll("*")].flatMap(
        one => [...one.attributes].map(a => a.name)).filter(name => name.startsWith("on"))"""
    assert await monitor.evaluate(handlers) == []
    await staff.page.get_by_test_id("waiting-row").nth(3).get_by_test_id("abort").click()
    await expect(staff.hook("confirm")).to_be_visible()
    assert dialogs == []
    assert staff.problems.found == []
    await staff.leave()


def _everybody_asks(site: Site, names: list[str]) -> None:
    subprocess.run(
        [sys.executable, "-c", EVERYBODY_ASKS],
        cwd=ROOT,
        env={**site.env, "DJANGO_SETTINGS_MODULE": "chatsite.settings"},
        input=json.dumps(names),
        text=True,
        check=True,
        timeout=60,
    )


def _a_hostile_worker(site: Site, text: str) -> None:
    site.database.execute(
        "UPDATE inference_workernode SET model = %s, device = %s, detail = %s", [text, text, text]
    )
