"""The page heals what the wires lost, without a reload and without a word from the person."""

import pytest

from tests.browser.conftest import Visit
from tests.faults.wire_faults import FAULTS, Fault, stored_text
from tests.support.redis_server import RedisServer
from tests.support.site import Site

# Over the socket all are tried each time (tests/faults/test_lost_events.py).
pytestmark = [pytest.mark.redis, pytest.mark.slow, pytest.mark.long]


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_is_whole_although_its_end_was_lost(
    fragile_site: Site, redis: RedisServer, visit: Visit, fault: Fault
) -> None:
    alice = await visit(fragile_site)
    await alice.ask("mock:length=60")
    seen = await alice.sees_text(longer_than=30)
    await fault(fragile_site, redis)
    await alice.sees("complete")
    shown = await alice.answer_text()
    # The page renders Markdown; the words that it shows are those of the row, to the last.
    assert _words(shown) == _words(stored_text(fragile_site))
    assert len(shown) > len(seen)


def _words(text: str) -> list[str]:
    return [letter for letter in text if letter.isalpha()]
