"""The site as a person first meets it: the bundled model, decoded by the real engine."""

import pytest

from tests.support.fixtures import ComeIn, StartSite
from tests.support.processes import has_imported_torch, marked
from tests.support.site import Site

SPLIT = pytest.param("split", marks=[pytest.mark.redis, pytest.mark.long])


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["embedded", SPLIT])
async def test_hello_gets_text_and_only_the_engine_process_imports_torch(
    start_site: StartSite, come_in: ComeIn, topology: str
) -> None:
    site: Site = start_site(topology=topology, engine="local")
    alice, bob = await come_in(site), await come_in(site)
    requests = [await alice.send("Hello"), await bob.send("こんにちは")]
    answers = [await alice.answer(requests[0]), await bob.answer(requests[1])]
    assert all(answer.text.strip() for answer in answers)
    assert [answer.finish_reason for answer in answers] == ["stop", "stop"]
    servers = {process.pid for process in [*site.web, *site.workers]}
    assert [pid for pid in servers if has_imported_torch(pid)] == []
    assert len([pid for pid in marked(site.mark) if has_imported_torch(pid)]) == 1
