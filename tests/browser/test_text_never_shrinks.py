"""What a reader has seen stays, in every tab, through reloads and a lost network."""

import asyncio

from playwright.async_api import Page, expect

from tests.browser.conftest import Visit
from tests.support.browser import Visitor
from tests.support.fixtures import StartSite

# Notes the length of the newest answer whenever the page changes.
WATCH = """() => {
    const own = window.lengths = [];
    const note = () => {
        const texts = document.querySelectorAll(
            "[data-testid=message-assistant] [data-testid=message-text]");
        const last = texts[texts.length - 1];
        if (last) own.push(last.textContent.length);
    };
    note();
    new MutationObserver(note).observe(
        document.body, {childList: true, subtree: true, characterData: true});
}"""

# The page's own model of an answer under random cuts: a third of the deltas is lost, others come
# late or twice, a second worker goes on from before the end. It asks and is answered as over a
# socket; the text must be whole, and every delta must have been right where it was shown.
PROPERTY = """async ([base, rounds]) => {
    const { MessageStream } = await import(base);
    let seed = 20261125;
    const random = () => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
    const below = (n) => Math.floor(random() * n);
    const letters = [..."aé日👩🏽z\\n*`"];
    let syncs = 0;
    for (let round = 0; round < rounds; round += 1) {
        const whole = Array.from({length: 1 + below(120)}, () => letters[below(letters.length)]);
        const cut = (from, attempt) => {
            const found = [];
            for (let at = from; at < whole.length;) {
                const size = 1 + below(9);
                found.push({attempt, offset: at, text: whole.slice(at, at + size).join("")});
                at += size;
            }
            return found;
        };
        const died = below(whole.length);
        const before = cut(0, 1).filter(({offset}) => offset < died);
        const events = [...before, ...cut(below(died + 1), 2)];
        const arriving = events.filter(() => random() > 0.3)
            .flatMap((event) => (random() < 0.2 ? [event, event] : [event]))
            .map((event, index) => [index + (random() < 0.3 ? below(6) : 0), event])
            .sort((a, b) => a[0] - b[0]).map(([, event]) => event);
        const stream = new MessageStream();
        for (const event of arriving) {
            stream.apply(event);
            if (!whole.join("").startsWith(stream.text)) return `wrong text in round ${round}`;
        }
        for (let tries = 0; stream.length !== whole.length && tries < 3; tries += 1) {
            syncs += 1;
            cut(stream.length, 2).forEach((delta) => stream.apply(delta));
        }
        if (stream.text !== whole.join("")) return `not whole in round ${round}`;
        if (stream.hasGap) return `still a gap in round ${round}`;
    }
    return `${syncs > 0}`;
}"""


async def _lengths(page: Page) -> list[int]:
    found: list[int] = await page.evaluate("window.lengths")
    assert found, "nothing was seen"
    return found


async def _never_shrank(page: Page) -> int:
    lengths = await _lengths(page)
    assert lengths == sorted(lengths), "the text shrank"
    return lengths[-1]


async def test_text_only_grows_through_reloads_and_a_lost_network(
    start_site: StartSite, visit: Visit
) -> None:
    site = start_site(mock_rate=30)
    alice = await visit(site)
    await alice.ask("mock:length=330")
    await alice.sees_text(longer_than=40)
    other = await alice.page.context.new_page()
    await other.goto(alice.page.url)
    tab = Visitor(other, alice.problems, site.url)
    await alice.hook("composer").fill("a draft that must stay")
    shown = 0
    for pause in (0.7, 1.9):
        await asyncio.sleep(pause)
        await alice.page.reload()
        await alice.sees_text(longer_than=shown)
        await alice.page.evaluate(WATCH)
        await asyncio.sleep(0.5)
        shown = await _never_shrank(alice.page)
    await tab.sees_text(longer_than=shown)
    await other.evaluate(WATCH)
    await alice.page.context.set_offline(True)
    await asyncio.sleep(2)
    await alice.page.context.set_offline(False)
    await alice.sees("complete")
    await tab.sees("complete")
    await _never_shrank(alice.page)
    await _never_shrank(other)
    assert await alice.answer_text() == await tab.answer_text()
    await expect(alice.hook("message-assistant")).to_have_count(1)
    await expect(alice.hook("composer")).to_have_value("a draft that must stay")


async def test_the_pages_own_model_is_whole_after_any_loss(
    start_site: StartSite, visit: Visit
) -> None:
    alice = await visit(start_site())
    script = await alice.page.evaluate(
        """() => [...performance.getEntriesByType("resource")]
            .map(({name}) => name).find((name) => name.includes("models/message_stream"))"""
    )
    assert script, "the page does not load its model from a file of its own"
    assert await alice.page.evaluate(PROPERTY, [script, 500]) == "true"
