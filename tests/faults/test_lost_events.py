"""Whatever the wires lose, the end included, a reader by the rules of the protocol gets it."""

import asyncio
import time

import pytest

from tests.faults.wire_faults import FAULTS, Fault, stored_text
from tests.support.fixtures import ComeIn
from tests.support.reader import Reader
from tests.support.redis_server import RedisServer
from tests.support.site import Site

HEALS_WITHIN = 10.0

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_text_heals_by_itself(
    fragile_site: Site, redis: RedisServer, come_in: ComeIn, fault: Fault
) -> None:
    alice = await come_in(fragile_site)
    request = await alice.send("mock:length=60")
    await alice.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 30)
    reading = asyncio.create_task(Reader(alice, request).whole())
    await fault(fragile_site, redis)
    over = time.monotonic()
    assert await reading == stored_text(fragile_site, request)
    healed = time.monotonic() - over
    print(f"{fault.__name__}: whole {healed:.1f} s after the fault")
    assert healed < HEALS_WITHIN
    assert alice.close_code is None

    # The layer may still be on its way back, so this one is read by the same rules.
    again = await alice.send("mock:length=5")
    assert await Reader(alice, again).whole() == stored_text(fragile_site, again)
    assert all(process.is_running for process in [*fragile_site.web, *fragile_site.workers])
