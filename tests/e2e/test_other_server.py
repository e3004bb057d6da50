"""The ASGI application is not bound to Daphne."""

import pytest

from tests.support.fixtures import ComeIn, StartSite

pytestmark = [pytest.mark.redis]


async def test_the_site_answers_under_uvicorn(start_site: StartSite, come_in: ComeIn) -> None:
    site = start_site(topology="split", server="uvicorn")
    alice = await come_in(site)
    request = await alice.send("mock:length=20")
    answer = await alice.answer(request)
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", 20)
    # It dies of the signal that stops it, and has stored before what it counted.
    await alice.close()
    site.web[0].terminate()
    name = "chatsite_requests_submitted_total"
    where = "name = %s AND value = 1"
    assert site.database.count("inference_metrictotal", where, [name]) == 1
