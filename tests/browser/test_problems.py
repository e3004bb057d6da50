"""What the browser tests rely on: a page that does wrong is noticed. One planted wrong each."""

import pytest
from playwright.async_api import Browser, Route

from tests.support.browser import Problems

SITE = "http://site.test"
POLICY = "default-src 'none'; script-src 'self'; img-src * data:"


@pytest.mark.parametrize(
    ("body", "noticed"),
    [
        ("<script src=/throws.js></script>", "uncaught: planted"),
        ("<script src=/logs.js></script>", "console error: planted"),
        ("<script>1</script>", "Content Security Policy"),
        ("<p style='color:red'>", "Content Security Policy"),
        ("<img src=http://elsewhere.test/x.png>", "request to http://elsewhere.test/x.png"),
        ("<p>nothing wrong</p>", ""),
    ],
)
async def test_a_page_that_does_wrong_is_noticed(browser: Browser, body: str, noticed: str) -> None:
    async def serve(route: Route) -> None:
        path = route.request.url.removeprefix(SITE)
        scripts = {"/throws.js": "throw 'planted'", "/logs.js": "console.error('planted')"}
        content = scripts.get(path, f"<!doctype html><link rel=icon href=data:,>{body}")
        kind = "text/javascript" if path in scripts else "text/html"
        headers = {"Content-Security-Policy": POLICY, "Content-Type": kind}
        await route.fulfill(body=content, headers=headers)

    context = await browser.new_context()
    problems = Problems(context, SITE)
    await context.route("**/*", serve)
    page = await context.new_page()
    await page.goto(SITE, wait_until="networkidle")
    assert noticed in " ".join(problems.found)
    assert bool(problems.found) == bool(noticed)
    await context.close()
