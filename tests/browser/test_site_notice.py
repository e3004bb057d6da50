"""What staff tell everybody shows in every window at once, as plain text, until it is emptied."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import Visit
from tests.support.browser import Visitor
from tests.support.fixtures import StartSite
from tests.support.site import Site

HOSTILE = "Closed from 18:00 <img src=x onerror=alert(1)> & “sorry”"
POLICY = "/admin/inference/queuepolicy/1/change/"
SOON_MS = 1_000


async def _staff(site: Site, visit: Visit) -> Visitor:
    """At the form of the queue's policy."""
    staff = await visit(site)
    name = await staff.page.locator(".person-name").inner_text()
    site.database.execute(
        "UPDATE accounts_user SET is_staff = true, is_superuser = true WHERE username = %s", [name]
    )
    await staff.page.goto(f"{staff.url}{POLICY}")
    return staff


async def _says(staff: Visitor, notice: str) -> None:
    await staff.page.fill("#id_notice", notice)
    await staff.page.click("[name=_continue]")


@pytest.mark.redis
async def test_a_notice_shows_in_every_window_at_once_until_it_is_emptied(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site(topology="split", web=2)
    alice, bob = await visit(site), await visit(site)
    assert alice.url != bob.url
    staff = await _staff(site, visit)
    await _says(staff, HOSTILE)
    for visitor in (alice, bob):
        notice = visitor.hook("site-notice")
        await expect(notice.locator("p")).to_have_text(HOSTILE, timeout=SOON_MS)
        await expect(notice.locator("img")).to_have_count(0)
    await alice.page.reload()
    await expect(alice.hook("site-notice")).to_be_visible()

    await alice.hook("site-notice").get_by_role("button", name="Dismiss").click()
    await expect(alice.hook("site-notice")).to_be_hidden()
    await alice.page.reload()
    await expect(alice.hook("conversation-list")).to_be_attached()
    await alice.page.wait_for_function("document.querySelector('[data-stage-title]').textContent")
    await expect(alice.hook("site-notice")).to_be_hidden()
    await alice.page.goto(f"{alice.url}/accounts/login/")
    await expect(alice.hook("site-notice")).to_have_text(HOSTILE)
    await alice.page.goto(alice.url)

    await _says(staff, "Open again")
    for visitor in (alice, bob):
        notice = visitor.hook("site-notice").locator("p")
        await expect(notice).to_have_text("Open again", timeout=SOON_MS)
    await _says(staff, "")
    for visitor in (alice, bob):
        await expect(visitor.hook("site-notice")).to_be_hidden(timeout=SOON_MS)
