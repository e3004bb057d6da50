"""What a worker repeats goes on after a failure, and leaves time to others."""

import asyncio
import time

import pytest

from inference.loops import forever, or_without


async def run_for(seconds: float, loop: asyncio.Task[None]) -> None:
    await asyncio.sleep(seconds)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)


async def test_a_step_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep, calls = asyncio.sleep, []
    monkeypatch.setattr("inference.loops.asyncio.sleep", lambda seconds: sleep(seconds / 100))

    async def fails_first() -> None:
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("planted")

    loop = asyncio.ensure_future(forever(fails_first, 0.0))
    await sleep(0.1)
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert len(calls) > 2


async def test_a_step_gets_no_more_than_its_share_of_the_time() -> None:
    spent: list[float] = []

    async def takes_long() -> None:
        began = time.monotonic()
        await asyncio.sleep(0.02)
        spent.append(time.monotonic() - began)

    began = time.monotonic()
    await run_for(0.6, asyncio.ensure_future(forever(takes_long, 0.001, share=0.2)))
    assert len(spent) > 2
    assert sum(spent[:-1]) < 0.25 * (time.monotonic() - began)


async def test_a_step_of_stopping_that_fails_stops_nothing() -> None:
    async def fails() -> None:
        raise RuntimeError("planted")

    await or_without(fails())
