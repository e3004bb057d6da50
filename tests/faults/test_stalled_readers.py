"""Browsers that stop reading cost a bounded memory, and nobody else's time."""

import asyncio
import statistics
from collections.abc import Iterator
from contextlib import ExitStack

import psutil
import pytest

from chatsite.chat.send_window import WINDOW_BYTES
from inference.channel_layer import PipelinedPubSubLayer
from tests.support.client import Person
from tests.support.fixtures import ComeIn, Sites
from tests.support.reader import Reader
from tests.support.redis_server import RedisServer
from tests.support.site import Plan, Site
from tests.support.stalled import open_and_stop_reading

STALLED = 50
PIECE = 20_000
PIECES = 500  # ten megabytes for each stalled socket
MEGABYTE = 2**20

pytestmark = [pytest.mark.redis, pytest.mark.slow]


@pytest.fixture
def site(sites: Sites, redis: RedisServer) -> Iterator[Site]:
    site = sites.make(
        Plan(topology="split", n=4, env={"CHATSITE_MAX_MODEL_LEN": "60000"}), redis_url=redis.url
    )
    site.start()
    yield site
    site.stop()


def _delta(number: int) -> dict[str, object]:
    offset, text = number * PIECE, "x" * PIECE
    return {
        "type": "message.delta",
        "request": "r",
        "attempt": 1,
        "offset": offset,
        "text": text,
        "conversation": "c",
        "message": "m",
    }


async def _flood(redis: RedisServer, group: str) -> None:
    """What a worker would publish for one person, as fast as the wires take it for two seconds."""
    layer = PipelinedPubSubLayer(hosts=[redis.url], prefix="chatsite")
    for number in range(PIECES):
        await layer.group_send(group, _delta(number))
        await asyncio.sleep(0.01)
    await layer.flush()


async def _delays(person: Person) -> list[float]:
    """Between the pieces of an answer at 20 tokens a second."""
    request = await person.send("mock:length=100")
    answer = await person.answer(request)
    times = [delta.at for delta in answer.deltas]
    return [later - earlier for earlier, later in zip(times, times[1:], strict=False)]


@pytest.mark.timeout(180)
async def test_fifty_sockets_that_are_not_read(
    site: Site, redis: RedisServer, come_in: ComeIn
) -> None:
    reader, sleeper = await come_in(site), await come_in(site)
    user = sleeper.frames[0]["user"]["id"]
    alone = await _delays(reader)
    with ExitStack() as stack:
        for _ in range(STALLED):
            stack.enter_context(await asyncio.to_thread(open_and_stop_reading, sleeper))
        await sleeper.leave()
        await asyncio.sleep(0.5)
        web = psutil.Process(site.web[0].pid)
        before = web.memory_info().rss
        flood = asyncio.create_task(_flood(redis, f"user.{user}"))
        beside = await _delays(reader)
        await flood
        grown = (web.memory_info().rss - before) / MEGABYTE
    print(f"grown by {grown:.0f} MB; p95 alone {_p95(alone):.3f} s, beside {_p95(beside):.3f} s")
    assert grown < 50
    assert _p95(beside) < 2 * _p95(alone)


def _p95(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=20)[-1]


async def test_a_reader_that_wakes_up_gets_the_rest(site: Site, come_in: ComeIn) -> None:
    """It sleeps while an answer comes that is larger than its window."""
    site.database.set_policy(max_new_tokens=200_000)
    sleeper = await come_in(site)
    request = await sleeper.send("mock:length=45000 mock:rate=20000", max_tokens=50_000)
    await sleeper.wait_for("message.delta", request=request)
    sleeper.may_read.clear()
    await asyncio.to_thread(site.wait_until, lambda: _has_ended(site), "it did not end", 60.0)
    sleeper.may_read.set()
    reader = Reader(sleeper, request)
    text = await reader.whole()
    assert len(text.encode()) > 1.4 * WINDOW_BYTES
    assert text == _stored(site)
    received = sum(frame.size for frame in sleeper.heard("message.delta"))
    assert received < 2 * len(text.encode())
    assert reader.syncs < 60


def _has_ended(site: Site) -> bool:
    return site.database.states().get("finished") == 1


def _stored(site: Site) -> str:
    rows = site.database.execute("SELECT output_text FROM inference_generationrequest")
    text: str = rows[0][0]
    return text
