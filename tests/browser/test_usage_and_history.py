"""Usage, quotas and the history in a real browser."""

import subprocess
import sys

from playwright.async_api import Browser, Dialog, Page, expect

from tests.browser.conftest import Visit
from tests.browser.test_pages import SIZES, STICKS_OUT
from tests.support.browser import Visitor
from tests.support.fixtures import StartSite
from tests.support.processes import ROOT
from tests.support.site import Site

HANDLERS = """() => [...document.querySelectorAll("*")].flatMap((element) =>
    element.getAttributeNames().filter((name) => name.startsWith("on") || name === "style"))"""
SCRIPTS = "() => [...document.scripts].filter((script) => !script.src && script.text.trim()).length"


async def test_the_rest_of_a_quota_is_shown_and_goes_down(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site(mock_rate=200)
    unlimited = await visit(site)
    await unlimited.ask("mock:length=5")
    await unlimited.sees("complete")
    await expect(unlimited.hook("quota")).to_be_hidden()

    site.database.set_policy(daily_tokens_guests=100)
    guest = await visit(site)
    await expect(guest.hook("quota")).to_have_text("100 of 100 tokens left today")
    await guest.ask("mock:length=30")
    await guest.sees("complete")
    await expect(guest.hook("quota")).not_to_have_text("100 of 100 tokens left today")
    left = int((await guest.hook("quota").text_content() or "").split()[0])
    assert 30 <= left <= 69

    await guest.ask("mock:length=500")
    await guest.sees("complete")  # cut to what was left
    await expect(guest.hook("quota")).to_contain_text("used up")
    await guest.ask("one more")
    await expect(guest.hook("notice")).to_contain_text("come back at 00:00 UTC")
    await expect(guest.hook("composer")).to_have_value("one more")
    await expect(guest.hook("send")).to_be_enabled()

    await guest.page.locator(".sidebar").get_by_text("Usage").click()
    await expect(guest.hook("usage-quota")).to_contain_text("0 of 100 tokens left today")
    await _fits(guest.page)


async def test_hostile_rows_are_inert_in_the_history(
    start_site: StartSite, browser: Browser
) -> None:
    site = start_site(env={"CHATSITE_STAFF_SEE_TEXTS": "1"})
    session, last = _seeded(site)
    staff = await Visitor.arrive(browser, site.url)
    await staff.page.context.add_cookies([{"name": "sessionid", "value": session, "url": site.url}])
    dialogs: list[str] = []

    async def opened(dialog: Dialog) -> None:
        dialogs.append(dialog.message)
        await dialog.dismiss()

    staff.page.on("dialog", opened)
    requests = f"{site.url}/admin/inference/generationrequest/"
    usage = f"{site.url}/admin/inference/usageday/?first=2026-03-01&last=2026-03-03"
    for address in (requests, f"{requests}{last}/change/", usage, f"{usage}&by=model"):
        await staff.page.goto(address, wait_until="networkidle")
        assert "alert(1)" in await staff.page.locator("#content").inner_text(), address
        assert await staff.page.evaluate(HANDLERS) == [], address
        assert await staff.page.evaluate(SCRIPTS) == 0, address
    await _fits(staff.page)
    async with staff.page.expect_download() as download:
        await staff.page.get_by_test_id("export").click()
    assert (await download.value).suggested_filename.startswith("usage-by-model-")
    assert (dialogs, staff.problems.found) == ([], [])
    await staff.leave()


def _seeded(site: Site) -> tuple[str, str]:
    program = [sys.executable, "-m", "tests.browser.admin_rows"]
    env = {**site.env, "DJANGO_SETTINGS_MODULE": "chatsite.settings"}
    done = subprocess.run(program, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=True)
    session, last = done.stdout.split()
    return session, last


async def _fits(page: Page) -> None:
    for width, height in SIZES.values():
        await page.set_viewport_size({"width": width, "height": height})
        assert not await page.evaluate(STICKS_OUT), f"{page.url} at {width}"
