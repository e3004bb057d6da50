"""A real Chromium, and a person in a window of their own who notes what goes wrong in it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    async_playwright,
    expect,
)

from tests.support.programs import find_chromium, needed

PATIENCE_MS = 20_000
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    program = needed(find_chromium(), "Chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(program), args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()


class Problems:
    """What no page may do: errors on the console (a CSP violation is one), requests elsewhere."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self._host = urlsplit(url).netloc
        self.found: list[str] = []
        context.on("console", self._console)
        context.on("weberror", lambda error: self.found.append(f"uncaught: {error.error}"))
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.found.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme not in ("data", "blob") and address.netloc != self._host:
            self.found.append(f"request to {request.url}")


class Visitor:
    """One person in a window of their own. Words of the page: its data-testid hooks."""

    def __init__(self, page: Page, problems: Problems, url: str) -> None:
        self.page = page
        self.url = url
        self.problems = problems

    @classmethod
    async def arrive(cls, browser: Browser, url: str) -> "Visitor":
        """A new browser, as it were: no cookies of others."""
        context = await browser.new_context(viewport={"width": 1100, "height": 760})
        context.set_default_timeout(PATIENCE_MS)
        visitor = cls(await context.new_page(), Problems(context, url), url)
        await visitor.page.goto(url)
        return visitor

    async def continue_as_guest(self) -> None:
        await self.hook("guest-button").first.click()
        await self.hook("composer").wait_for()
        await self.page.wait_for_load_state()  # module scripts have run by then

    def hook(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    @property
    def answer(self) -> Locator:
        """The newest answer."""
        return self.hook("message-assistant").last

    async def ask(self, text: str) -> None:
        await self.hook("composer").fill(text)
        await self.hook("composer").press("Enter")

    async def stop(self) -> None:
        await self.hook("stop").click()

    async def sees(self, state: str) -> None:
        """Waits until the newest answer is in this state."""
        await expect(self.answer).to_have_attribute("data-state", state, timeout=PATIENCE_MS)

    async def answer_text(self) -> str:
        return await self.answer.get_by_test_id("message-text").text_content() or ""

    async def sees_text(self, longer_than: int = 0) -> str:
        """Waits until the newest answer has more characters than this; returns it."""
        script = """length => {
            const texts = document.querySelectorAll(
                "[data-testid=message-assistant] [data-testid=message-text]");
            const last = texts[texts.length - 1];
            return last !== undefined && last.textContent.length > length && last.textContent;
        }"""
        handle = await self.page.wait_for_function(script, arg=longer_than)
        text: str = await handle.json_value()
        return text

    async def leave(self) -> None:
        await self.page.context.close()
