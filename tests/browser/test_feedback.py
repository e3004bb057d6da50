"""Rating an answer in a real Chromium: by mouse, by keyboard, and without a connection."""

import asyncio
import json
from collections.abc import Iterator

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.support.browser import Visitor
from tests.support.fixtures import Sites, StartSite
from tests.support.site import Plan, Site


@pytest.fixture(scope="module")
def site(sites: Sites) -> Iterator[Site]:
    site = sites.make(Plan(mock_rate=400, env={"CHATSITE_FEEDBACK": "texts"}))
    site.start()
    yield site
    site.stop()


@pytest.fixture
async def alice(site: Site, visit: Visit) -> Visitor:
    """With an answer to rate."""
    alice = await visit(site)
    await alice.ask("mock:length=8")
    await alice.sees("complete")
    return alice


async def _shows(alice: Visitor, good: bool = False, bad: bool = False) -> None:
    for name, pressed in (("good", good), ("bad", bad)):
        button = alice.answer.get_by_test_id(name)
        await expect(button).to_have_attribute("aria-pressed", str(pressed).lower())


async def _reload(alice: Visitor) -> None:
    await alice.page.reload()
    await alice.sees("complete")


async def test_a_rating_and_its_comment_stay_and_can_be_changed_and_taken_back(
    alice: Visitor,
) -> None:
    good, bad = alice.hook("good"), alice.hook("bad")
    form, comment = alice.hook("comment-form"), alice.hook("comment")
    await good.focus()
    async with alice.page.expect_response("**/feedback/"):
        await alice.page.keyboard.press("Enter")
    await expect(comment).to_be_focused()
    await expect(form).to_contain_text("together with the conversation")
    await alice.page.keyboard.type("Short & <b>clear</b>")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_be_hidden()
    await expect(good).to_be_focused()
    await _shows(alice, good=True)
    await _reload(alice)
    await _shows(alice, good=True)
    await alice.hook("comment-edit").click()
    await expect(comment).to_have_value("Short & <b>clear</b>")
    await alice.page.keyboard.press("Escape")
    await expect(form).to_be_hidden()
    await expect(good).to_be_focused()

    async with alice.page.expect_response("**/feedback/"):
        await bad.click()
    await _shows(alice, bad=True)
    await expect(form).to_contain_text("What was bad?")
    await form.get_by_role("button", name="Cancel").click()
    await _reload(alice)
    await _shows(alice, bad=True)
    async with alice.page.expect_response("**/feedback/"):
        await bad.click()
    await expect(alice.hook("comment-edit")).to_be_hidden()
    await _reload(alice)
    await _shows(alice)


async def test_what_the_server_does_not_take_is_said_and_nothing_typed_is_lost(
    alice: Visitor,
) -> None:
    async def unreachable(route: Route) -> None:
        await route.abort()

    form, comment, error = (alice.hook(n) for n in ("comment-form", "comment", "rating-error"))
    await alice.page.route("**/feedback/", unreachable)
    await alice.hook("good").click()
    await expect(error).to_contain_text("could not be stored")
    await _shows(alice)

    await alice.page.unroute("**/feedback/")
    async with alice.page.expect_response("**/feedback/"):
        await alice.hook("good").click()
    await expect(error).to_be_hidden()
    await alice.page.route("**/feedback/", unreachable)
    await comment.fill("Written with care")
    await form.get_by_role("button", name="Save").click()
    await expect(error).to_contain_text("It is still here")
    await expect(comment).to_have_value("Written with care")
    await _reload(alice)
    await _shows(alice, good=True)
    await alice.hook("comment-edit").click()
    await expect(comment).to_have_value("Written with care")
    await alice.page.unroute("**/feedback/")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_be_hidden()
    await _reload(alice)
    await alice.hook("comment-edit").click()
    await expect(comment).to_have_value("Written with care")
    # What the browser itself says of the requests that were cut off.
    alice.problems.found = [one for one in alice.problems.found if "ERR_FAILED" not in one]


async def test_presses_in_a_row_leave_the_last_one_stored(alice: Visitor) -> None:
    sent: list[int] = []
    go_on = asyncio.Event()

    async def held(route: Route) -> None:
        sent.append(json.loads(route.request.post_data or "")["rating"])
        await go_on.wait()
        await route.continue_()

    await alice.page.route("**/feedback/", held)
    for name in ("good", "bad", "bad", "good", "bad"):
        await alice.hook(name).click()
    await _shows(alice, bad=True)
    assert sent == [1], "a later request must not overtake this one"
    last = alice.page.expect_response(
        lambda response: "/feedback/" in response.url and len(sent) > 1
    )
    async with last:
        go_on.set()
    assert sent == [1, -1]
    await _reload(alice)
    await _shows(alice, bad=True)


@pytest.mark.long
async def test_without_feedback_there_are_no_buttons(start_site: StartSite, visit: Visit) -> None:
    alice = await visit(start_site(mock_rate=400, env={"CHATSITE_FEEDBACK": "off"}))
    await alice.ask("mock:length=8")
    await alice.sees("complete")
    await expect(alice.hook("finish-detail")).to_be_visible()
    await expect(alice.hook("good")).to_be_hidden()
