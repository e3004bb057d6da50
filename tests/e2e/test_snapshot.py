"""What a tab knows from `hello` and the events since is what a fresh `hello` says."""

import pytest

from tests.support.client import Person
from tests.support.fixtures import ComeIn, StartSite

pytestmark = [pytest.mark.redis, pytest.mark.slow]

Known = dict[str, tuple[str, str, str]]


def known(person: Person, hello: int) -> Known:
    """Of each active request: its conversation, its message and its state."""
    found: Known = {}
    for frame in person.frames[hello:]:
        data = frame.data
        if frame.type == "hello":
            found = _said(data["active"])
        elif frame.type == "message.accepted":
            found[data["request"]] = (data["conversation"], data["message"], "waiting")
        elif frame.type in ("request.running", "message.delta"):
            conversation, message, _ = found[data["request"]]
            found[data["request"]] = (conversation, message, "running")
        elif frame.type == "message.finished":
            found.pop(data["request"], None)
    return found


def _said(active: list[dict[str, str]]) -> Known:
    return {one["request"]: (one["conversation"], one["message"], one["state"]) for one in active}


async def agrees(tab: Person, other: Person, hello: int) -> None:
    """Now or in a moment: the events of the act may be on their way."""
    fresh = _said((await other.open())["active"])
    await tab.wait_until(lambda: known(tab, hello) == fresh, 5)


async def test_hello_and_events_are_what_a_fresh_hello_says(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(topology="split", n=1)
    tab = await come_in(site)
    other = Person(site.url, tab.http)  # the same person's next tab
    hello = next(index for index, frame in enumerate(tab.frames) if frame.type == "hello")
    first = await tab.send("mock:length=600")
    await tab.wait_for("message.delta", request=first)
    await agrees(tab, other, hello)
    second = await tab.send("mock:length=8")
    third = await tab.send("mock:length=600")
    await agrees(tab, other, hello)
    await tab.abort(third)  # while it waits
    await tab.wait_for("message.finished", request=third)
    await agrees(tab, other, hello)
    await tab.abort(first)
    await tab.wait_for("message.finished", request=first)
    await tab.wait_for("message.finished", request=second)
    await agrees(tab, other, hello)
    fourth = await tab.send("mock:error@3")
    await tab.wait_for("message.finished", request=fourth)
    await agrees(tab, other, hello)
    assert known(tab, hello) == {}
    await other.leave()
