"""Every page, on a desktop and on a phone, in both languages: no errors, nothing sticks out."""

import pytest
from playwright.async_api import Browser

from tests.support.browser import Visitor
from tests.support.fixtures import StartSite

SIZES = {"desktop": (1280, 800), "phone": (360, 740)}
PAGES = ["/", "/accounts/login/", "/accounts/signup/"]

STICKS_OUT = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


async def _looks_right(visitor: Visitor, size: tuple[int, int], language: str) -> None:
    await visitor.page.set_viewport_size({"width": size[0], "height": size[1]})
    assert await visitor.page.locator("html").get_attribute("lang") == language
    assert not await visitor.page.evaluate(STICKS_OUT), f"{visitor.page.url} at {size}"


@pytest.mark.parametrize("language", ["en", "ja"])
async def test_pages_fit_and_report_no_errors(
    start_site: StartSite, browser: Browser, language: str
) -> None:
    site = start_site(mock_rate=60)
    visitor = await Visitor.arrive(browser, site.url)
    await visitor.page.locator(f"button[name=language][value={language}]").first.click()
    await visitor.page.wait_for_load_state()
    for path in PAGES:
        await visitor.page.goto(f"{site.url}{path}")
        for size in SIZES.values():
            await _looks_right(visitor, size, language)
    await visitor.page.goto(site.url)
    await visitor.continue_as_guest()
    await visitor.ask("mock:length=40")
    await visitor.sees("complete")
    for size in SIZES.values():
        await _looks_right(visitor, size, language)
    assert visitor.problems.found == []
    await visitor.leave()
