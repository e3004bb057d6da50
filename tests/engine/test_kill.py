"""A killed engine's requests go on with the very tokens they would have had."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from inference.engine.events import EngineDied, RequestEnded, RequestFailed, TokenMade
from inference.engine.options import EngineOptions
from inference.engine.process import REAL_ENGINE, EngineClient
from inference.engine.requests import EngineRequest
from tests.engine.core import a_request
from tests.engine.models import save_model

REQUESTS = [
    a_request(str(i), [3 + i, 9, 2 * i + 5], temperature=0.9 * (i % 2), seed=i, max_tokens=60)
    for i in range(16)
]


async def run(
    client: EngineClient, requests: Iterable[EngineRequest], kill_after: int | None = None
) -> dict[str, list[int]]:
    """Tokens by request, until all ended; or until the process is gone, once it was killed."""
    made: dict[str, list[int]] = defaultdict(list)
    open_requests = set()
    for request in requests:
        client.submit(request)
        open_requests.add(request.id)
    while open_requests:
        for event in await client.events():
            match event:
                case TokenMade():
                    made[event.request_id].append(event.token_id)
                case RequestEnded() | RequestFailed():
                    open_requests.discard(event.request_id)
                case EngineDied():
                    return made
        if kill_after is not None and sum(map(len, made.values())) >= kill_after:
            assert client._child is not None
            client._child.process.kill()
            kill_after = None
    return made


@pytest.mark.parametrize("kill_after", [20, pytest.param(300, marks=pytest.mark.long)])
async def test_sixteen_requests_survive_a_kill_in_the_middle(
    tmp_path: Path, kill_after: int
) -> None:
    options = EngineOptions(str(save_model(tmp_path)), device="cpu", slots=16, threads=1)
    client = EngineClient(REAL_ENGINE, options)
    async with asyncio.timeout(60):
        await client.start(lambda progress: None)
        expected = await run(client, REQUESTS)
        before = await run(client, REQUESTS, kill_after)
        assert 0 < sum(map(len, before.values())) < sum(map(len, expected.values()))
        await client.start(lambda progress: None)
        rest = await run(
            client,
            [
                EngineRequest(one.id, one.prompt_token_ids, one.params, before[one.id])
                for one in REQUESTS
            ],
        )
        await client.stop()
    assert {name: before[name] + rest.get(name, []) for name in expected} == expected
