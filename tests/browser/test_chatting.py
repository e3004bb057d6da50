"""The page as people use it, in a real Chromium over a real site."""

import asyncio

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import Visit
from tests.support.browser import Visitor
from tests.support.fixtures import StartSite
from tests.support.site import Site

LONG = "mock:length=2000"


async def _grows(visitor: Visitor) -> None:
    before = await visitor.sees_text()
    after = await visitor.sees_text(longer_than=len(before))
    assert after.startswith(before)


@pytest.mark.timeout(180)
async def test_two_stream_at_once_and_the_third_sees_place_1_and_starts_when_one_stops(
    site: Site, visit: Visit
) -> None:
    alice, bob, charlie = [await visit(site) for _ in range(3)]
    for visitor in (alice, bob):
        await visitor.ask(LONG)
        await visitor.sees("running")
    await asyncio.gather(_grows(alice), _grows(bob))
    await charlie.ask("mock:length=10")
    await charlie.sees("waiting")
    place = charlie.answer.get_by_test_id("queue-place")
    await expect(place).to_have_attribute("data-position", "1")
    await alice.stop()
    await alice.sees("aborted")
    await charlie.sees("complete")
    await expect(place).to_have_count(0)
    assert await charlie.answer_text()
    await _grows(bob)
    await bob.stop()
    await bob.sees("aborted")


async def test_stop_ends_the_answer_and_what_was_said_stays(
    start_site: StartSite, visit: Visit
) -> None:
    alice = await visit(start_site())
    await alice.ask(LONG)
    await alice.sees_text(longer_than=40)
    await alice.stop()
    await alice.sees("aborted")
    said = await alice.answer_text()
    await asyncio.sleep(0.5)
    assert await alice.answer_text() == said
    await expect(alice.hook("send")).to_be_visible()
    await expect(alice.hook("stop")).to_be_hidden()
    await alice.page.reload()
    await alice.sees("aborted")
    assert await alice.sees_text() == said


async def test_a_reload_in_the_middle_keeps_the_answer_and_it_goes_on_growing(
    start_site: StartSite, visit: Visit
) -> None:
    alice = await visit(start_site(mock_rate=30))
    await alice.ask("mock:length=120")
    said = await alice.sees_text(longer_than=60)
    await alice.page.reload()
    again = await alice.sees_text(longer_than=len(said))
    assert again.startswith(said)
    await _grows(alice)
    await alice.sees("complete")
    whole = await alice.answer_text()
    assert whole.startswith(again)
    await alice.page.reload()
    await alice.sees("complete")
    assert await alice.sees_text() == whole


async def test_a_second_tab_shows_the_same_answer_as_it_grows(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site()
    alice = await visit(site)
    await alice.ask("mock:length=60")
    await alice.sees_text()
    tab = Visitor(await alice.page.context.new_page(), alice.problems, site.url)
    await tab.page.goto(alice.page.url)
    await tab.sees("complete")
    await alice.sees("complete")
    assert await tab.answer_text() == await alice.answer_text()


async def test_a_refused_message_comes_back_as_the_draft(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site(n=1, q=0, mock_rate=60)
    alice, bob = await visit(site), await visit(site)
    await alice.ask(LONG)
    await alice.sees("running")
    await bob.ask("The draft that must not be lost")
    await bob.hook("notice").wait_for()
    await expect(bob.hook("composer")).to_have_value("The draft that must not be lost")
    await expect(bob.hook("message-user")).to_have_count(0)
    await alice.stop()
    await alice.sees("aborted")
    await bob.hook("composer").press("Enter")
    await bob.sees("complete")


async def test_a_restart_of_the_server_is_survived_without_a_reload(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site(mock_rate=30)
    alice = await visit(site)
    await alice.ask("mock:length=100")
    said = await alice.sees_text(longer_than=40)
    site.web[0].terminate()
    await alice.hook("connection-bar").wait_for()
    site.start_web()
    await alice.hook("connection-bar").wait_for(state="hidden")
    await alice.sees("complete")
    assert (await alice.answer_text()).startswith(said)
    # What the browser itself says of a server that was away.
    alice.problems.found = [one for one in alice.problems.found if "ERR_" not in one]


async def test_what_was_typed_before_the_script_ran_is_kept(
    start_site: StartSite, visit: Visit
) -> None:
    alice = await visit(start_site(mock_rate=60))
    slow = asyncio.Event()

    async def held(route: Route) -> None:
        await slow.wait()
        await route.continue_()

    await alice.page.route("**/js/app*.js", held)
    await alice.page.goto(alice.url, wait_until="commit")
    await alice.hook("composer").fill("Typed early")
    slow.set()
    await alice.page.wait_for_load_state()
    await expect(alice.hook("composer")).to_have_value("Typed early")
    await alice.hook("composer").press("Enter")
    await alice.sees("complete")


async def test_answers_that_ran_out_of_time_say_so(start_site: StartSite, visit: Visit) -> None:
    site = start_site(n=1)
    site.database.set_policy(max_running_seconds=3, max_waiting_seconds=1)
    alice, bob = await visit(site), await visit(site)
    await alice.ask(LONG)
    await alice.sees("running")
    await bob.ask("mock:length=5")
    await expect(bob.answer).to_contain_text("No place came free in time")
    await expect(alice.answer).to_contain_text("The time for one answer was over")
    assert await alice.answer_text()
