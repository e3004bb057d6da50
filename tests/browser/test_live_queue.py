"""Staff watch the queue live and steer it, while people chat, all in real windows."""

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Browser, Locator, expect

from tests.browser.conftest import Visit
from tests.support.browser import PATIENCE_MS, Visitor
from tests.support.client import Person
from tests.support.fixtures import ComeIn, Sites, StartSite
from tests.support.site import Plan, Site
from tests.support.staff import hire, sign_in

PAGE = "/admin/inference/queue/"
LONG = "mock:length=3000"
STEERING = ("watch_queue", "steer_queue")


class Desk:
    """The live page in somebody's window."""

    def __init__(self, visitor: Visitor) -> None:
        self.visitor = visitor
        self.page = visitor.page

    def hook(self, name: str) -> Locator:
        return self.page.get_by_test_id(name)

    def row(self, kind: str, user: str) -> Locator:
        has_name = self.page.get_by_test_id("user").get_by_text(user, exact=True)
        return self.hook(f"{kind}-row").filter(has=has_name)

    async def is_live(self) -> None:
        await expect(self.hook("connection")).to_have_attribute("data-state", "live")

    async def counts(self, running: int, waiting: int) -> None:
        await expect(self.hook("running-row")).to_have_count(running, timeout=PATIENCE_MS)
        await expect(self.hook("waiting-row")).to_have_count(waiting, timeout=PATIENCE_MS)

    async def order(self) -> list[str]:
        return await self.hook("waiting-row").get_by_test_id("user").all_inner_texts()

    async def press(self, row: Locator, button: str) -> None:
        await row.get_by_test_id(button).click()

    async def said(self, sentence: str) -> None:
        await expect(self.hook("said")).to_have_text(sentence)


OpenDesk = Callable[[Site], Awaitable[Desk]]


@pytest.fixture(scope="module")
def _common_site(sites: Sites) -> Iterator[Site]:
    site = sites.make(Plan(mock_rate=20))
    site.start()
    yield site
    site.stop()


@pytest.fixture
def site(_common_site: Site) -> Iterator[Site]:
    """N=2, Q=12, shared by tests that change no more than rows; nobody waits or runs."""
    _common_site.database.set_policy(max_running=2, max_waiting=12, paused=False)
    yield _common_site
    empty = "UPDATE inference_generationrequest SET abort_requested = %s WHERE ended_at IS NULL"
    _common_site.database.set_policy(max_running=9, max_waiting=12, paused=False)
    _common_site.database.execute(empty, [True])
    _common_site.wait_until(lambda: not _active(_common_site), "requests did not end")


@pytest.fixture
async def open_desk(browser: Browser) -> AsyncIterator[OpenDesk]:
    """Hires somebody who may watch and steer, and opens the live page for them."""
    desks: list[Desk] = []

    async def opened(site: Site) -> Desk:
        name = f"dora-{secrets.token_hex(3)}"
        hire(site.database, name, *STEERING)
        desk = Desk(await sign_in(browser, site, name, PAGE))
        desks.append(desk)
        await desk.is_live()
        return desk

    yield opened
    for desk in desks:
        await desk.page.context.close()
    assert [problem for desk in desks for problem in desk.visitor.problems.found] == []


async def name_of(visitor: Visitor) -> str:
    script = "JSON.parse(document.getElementById('page-data').textContent).user.name"
    name: str = await visitor.page.evaluate(script)
    return name


async def test_staff_watch_two_people_stream_and_a_third_starts_when_n_grows(
    site: Site, visit: Visit, open_desk: OpenDesk
) -> None:
    ann, bob, cy = [await visit(site) for _ in range(3)]
    desk = await open_desk(site)
    await desk.counts(0, 0)
    for visitor in (ann, bob, cy):
        await visitor.ask(LONG)
    await desk.counts(2, 1)
    await _tokens_grow(desk, await name_of(ann))
    await _tokens_grow(desk, await name_of(bob))
    third = desk.row("waiting", await name_of(cy))
    await expect(third.get_by_test_id("position")).to_have_text("1")
    await desk.page.get_by_label("Running at once").fill("3")
    pressed = time.monotonic()
    await desk.page.get_by_role("button", name="Save the limits").click()
    await cy.sees("running")
    seen = time.monotonic() - pressed
    await desk.counts(3, 0)
    await _tokens_grow(desk, await name_of(cy))
    started = _seconds_from_the_change_to_the_last_claim(site)
    print(f"N from 2 to 3: started {started:.2f} s after the change, seen {seen:.2f} s after Save")
    assert started < 1.0


def _seconds_from_the_change_to_the_last_claim(site: Site) -> float:
    ((changed,),) = site.database.execute("SELECT max(action_time) FROM django_admin_log")
    ((claimed,),) = site.database.execute("SELECT max(claimed_at) FROM inference_generationrequest")
    return (datetime.fromisoformat(claimed) - datetime.fromisoformat(changed)).total_seconds()


async def _tokens_grow(desk: Desk, user: str) -> None:
    tokens = desk.row("running", user).get_by_test_id("tokens")
    before = int(await tokens.inner_text())
    await desk.page.wait_for_function(
        "([element, before]) => Number(element.textContent) > before",
        arg=[await tokens.element_handle(), before],
    )


async def test_pause_holds_everybody_and_resume_lets_them_go(
    site: Site, visit: Visit, open_desk: OpenDesk
) -> None:
    ann = await visit(site)
    desk = await open_desk(site)
    await desk.hook("pause").click()
    await desk.said("Paused: nothing new starts.")
    await expect(desk.page.get_by_text("The queue is paused")).to_be_visible()
    await ann.ask("mock:length=5")
    await ann.sees("waiting")
    await desk.counts(0, 1)
    await asyncio.sleep(1.2)  # workers look each second
    await ann.sees("waiting")
    resumed = time.monotonic()
    await desk.hook("pause").click()
    await ann.sees("complete")
    assert time.monotonic() - resumed < 2.0
    await expect(desk.hook("pause")).to_have_text("Pause the queue")


async def test_staff_reorder_the_queue_and_abort_what_waits_and_what_runs(
    site: Site, visit: Visit, open_desk: OpenDesk
) -> None:
    site.database.set_policy(max_running=1)
    people = [await visit(site) for _ in range(4)]
    names = [await name_of(visitor) for visitor in people]
    desk = await open_desk(site)
    for visitor in people:
        await visitor.ask(LONG)
        await visitor.sees("running" if visitor is people[0] else "waiting")
    await desk.counts(1, 3)
    assert await desk.order() == names[1:]
    await expect(desk.row("waiting", names[1]).get_by_test_id("front")).to_be_disabled()
    await desk.press(desk.row("waiting", names[3]), "front")
    await expect(desk.hook("waiting-row").first).to_contain_text(names[3])
    await desk.press(desk.row("waiting", names[1]), "lower")
    await expect(desk.hook("waiting-row").last).to_contain_text(names[1])
    place = people[3].answer.get_by_test_id("queue-place")
    await expect(place).to_have_attribute("data-position", "1")
    await _abort(desk, "waiting", names[1])
    await people[1].sees("aborted")
    await _abort(desk, "running", names[0])
    await people[0].sees("aborted")
    await people[3].sees("running")
    await desk.counts(1, 1)


async def _abort(desk: Desk, kind: str, name: str) -> None:
    """Only after a second question, which Escape answers with no."""
    button = desk.row(kind, name).get_by_test_id("abort")
    await button.focus()
    await desk.page.keyboard.press("Enter")
    await expect(desk.hook("confirm")).to_contain_text(name)
    await desk.page.keyboard.press("Escape")
    await expect(desk.hook("confirm")).to_be_hidden()
    await expect(desk.row(kind, name)).to_have_count(1)
    await expect(button).to_be_focused()
    await button.click()
    await desk.hook("confirm").get_by_role("button", name="Abort it").click()
    await desk.said("Aborted.")
    await expect(desk.row(kind, name)).to_have_count(0)


@pytest.mark.redis
async def test_a_drained_worker_finishes_and_the_other_takes_what_comes(
    start_site: StartSite, visit: Visit, open_desk: OpenDesk
) -> None:
    site = start_site(topology="split", web=2, workers=2, n=1, mock_rate=20)
    site.wait_until(
        lambda: site.database.count("inference_workernode", "state = 'ready'") == 2,
        "two workers are not ready",
    )
    ann, bob = await visit(site), await visit(site)
    desk = await open_desk(site)
    await ann.ask("mock:length=40")
    await ann.sees("running")
    await desk.counts(1, 0)
    rows = desk.hook("worker-row")
    busy = rows.filter(has_text="1 / 1")
    await expect(busy).to_have_count(1)
    name = await busy.get_attribute("data-worker")
    drained = desk.page.locator(f"[data-testid=worker-row][data-worker='{name}']")
    await drained.get_by_test_id("drain").click()
    await expect(drained.get_by_test_id("state")).to_have_text("draining")
    await ann.sees("complete")
    await expect(drained.get_by_test_id("state")).to_have_text("drained")
    await bob.ask(LONG)
    await bob.sees("running")
    await expect(desk.hook("summary-places")).to_have_text("1")
    await expect(drained).to_contain_text("0 / 1")
    await expect(rows.filter(has_text="1 / 1")).to_have_count(1)
    await ann.ask("mock:length=5")
    await ann.sees("waiting")
    await drained.get_by_test_id("undrain").click()
    await ann.sees("complete")
    await bob.stop()
    await bob.sees("aborted")


async def test_the_page_comes_back_by_itself_and_shows_what_is(
    start_site: StartSite, come_in: ComeIn, open_desk: OpenDesk
) -> None:
    site = start_site(topology="split", n=1, mock_rate=20)
    desk = await open_desk(site)
    site.web[0].kill()
    await expect(desk.hook("connection")).to_have_attribute("data-state", "lost")
    site.start_web(0)
    site.wait_for_status(f"{site.url}/healthz")
    person = await come_in(site)
    await person.send(LONG)
    await desk.is_live()
    await desk.counts(1, 0)
    desk.visitor.problems.found.clear()  # the browser notes that the socket broke


async def test_who_loses_the_right_sees_nothing_more(
    site: Site, come_in: ComeIn, open_desk: OpenDesk
) -> None:
    desk = await open_desk(site)
    site.database.execute("DELETE FROM accounts_user_user_permissions")
    await expect(desk.hook("connection")).to_have_text(
        "You may not watch the queue any more.", timeout=10_000
    )
    person = await come_in(site)
    await person.send(LONG)
    await asyncio.sleep(1.5)
    await desk.counts(0, 0)
    desk.visitor.problems.found.clear()  # the charts were refused


async def test_limits_that_are_wrong_are_named_and_what_is_being_typed_stays(
    site: Site, open_desk: OpenDesk
) -> None:
    desk = await open_desk(site)
    n, q = desk.page.get_by_label("Running at once"), desk.page.get_by_label("Waiting at most")
    await n.fill("0")
    site.database.set_policy(max_waiting=42)  # somebody else, at the same time
    await expect(q).to_have_value("42")
    await expect(n).to_have_value("0")
    await desk.page.get_by_role("button", name="Save the limits").click()
    await expect(desk.hook("limits")).to_contain_text("Must be at least 1.")
    await expect(n).to_be_focused()
    await n.fill("4")
    await n.press("Enter")
    await expect(desk.hook("limits")).to_contain_text("The limits are changed.")
    rows = site.database.execute("SELECT max_running, max_waiting FROM inference_queuepolicy")
    assert rows == [(4, 42)]
    desk.visitor.problems.found.clear()  # the browser notes the refusal


async def test_the_rows_of_the_page_are_those_of_the_database_after_many_changes(
    site: Site, come_in: ComeIn, open_desk: OpenDesk
) -> None:
    desk = await open_desk(site)
    people = [await come_in(site) for _ in range(6)]
    dice = random.Random(5)
    for _ in range(80):
        await _change_something(dice, site, people)
    site.database.set_policy(paused=True)
    expected: list[tuple[str, str, str]] = []
    async with asyncio.timeout(20):
        while not expected or await _rows_of(desk) != expected:
            await asyncio.sleep(0.2)
            expected = _rows_in(site)


async def _change_something(dice: random.Random, site: Site, people: list[Person]) -> None:
    person = dice.choice(people)
    active = [str(row[0]) for row in _active(site)]
    match dice.randrange(5):
        case 0 | 1:
            await person.try_send(f"mock:length={dice.choice([5, 3000])}")
        case 2 if active:
            await person.abort(str(UUID(dice.choice(active))))
        case 3:
            priority = dice.randrange(-3, 4)
            site.database.execute(
                "UPDATE inference_generationrequest SET priority = %s WHERE public_id = %s",
                [priority, dice.choice(active) if active else ""],
            )
        case _:
            site.database.set_policy(paused=dice.random() < 0.3, max_running=dice.randrange(1, 4))


def _active(site: Site) -> list[tuple[Any, ...]]:
    return site.database.execute(
        "SELECT public_id, state, priority FROM inference_generationrequest"
        " WHERE ended_at IS NULL ORDER BY id"
    )


def _rows_in(site: Site) -> list[tuple[str, str, str]]:
    found = [(str(UUID(str(row[0]))), row[1], str(row[2])) for row in _active(site)]
    return sorted((key, state, "" if state == "running" else p) for key, state, p in found)


async def _rows_of(desk: Desk) -> list[tuple[str, str, str]]:
    script = """rows => rows.map(row => [row.dataset.request, row.dataset.testid.split("-")[0],
        row.querySelector("[data-priority]")?.textContent ?? ""])"""
    rows = await desk.page.locator("[data-request]").evaluate_all(script)
    return sorted((key, state, priority) for key, state, priority in rows)
