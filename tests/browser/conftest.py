"""People in real browser windows; whatever goes wrong in a window fails the test at its end."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser

from tests.support.browser import Visitor, chromium
from tests.support.site import Site

Visit = Callable[[Site], Awaitable[Visitor]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser/" in item.nodeid:
            item.add_marker(pytest.mark.browser)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as browser:
        yield browser


@pytest.fixture
async def visit(browser: Browser) -> AsyncIterator[Visit]:
    """Lets guests in, each in a window of their own, like `alice = await visit(site)`."""
    visitors: list[Visitor] = []

    async def enter(site: Site) -> Visitor:
        url = site.urls[len(visitors) % len(site.urls)]
        visitor = await Visitor.arrive(browser, url)
        visitors.append(visitor)
        await visitor.continue_as_guest()
        return visitor

    yield enter
    for visitor in visitors:
        await visitor.leave()
    assert [problem for visitor in visitors for problem in visitor.problems.found] == []
