"""Workers that are stopped, killed and started again; what they ran goes on."""

import subprocess
import sys

import pytest

from tests.support.databases import Database
from tests.support.fixtures import ComeIn, Sites, StartSite
from tests.support.processes import ROOT
from tests.support.site import Plan, environment

pytestmark = [pytest.mark.redis]


def test_runworker_without_redis_refuses_with_a_sentence(sites: Sites) -> None:
    folder = sites.builder.folder_for("refused")
    database = sites.builder.sqlite(folder)
    result = subprocess.run(
        [sys.executable, "manage.py", "runworker", "inference"],
        cwd=ROOT,
        env=environment(Plan(), folder, Database(database.url)),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode != 0
    assert "REDIS_URL" in result.stderr and "Traceback" not in result.stderr


async def test_a_stopped_worker_lets_short_answers_finish_and_exits_0(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(topology="split")
    alice = await come_in(site)
    request = await alice.send("mock:length=40")
    await alice.wait_for("message.delta", request=request)
    assert site.workers[0].terminate(15) == 0
    answer = await alice.answer(request)
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", 40)


@pytest.mark.slow
async def test_a_stopped_worker_hands_back_the_rest_and_another_goes_on_with_it(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(topology="split", n=1)
    alice, bob = await come_in(site), await come_in(site)
    first = await alice.send("mock:length=240")  # 12 s, more than a drain waits for
    await alice.wait_for("message.delta", request=first)
    second = await bob.send("mock:length=5")
    assert site.workers[0].terminate(20) == 0
    assert site.database.states() == {"waiting": 2}
    site.start_worker()
    answer = await alice.answer(first)
    assert (answer.completion_tokens, answer.attempt) == (240, 2)
    assert (await bob.answer(second)).completion_tokens == 5


@pytest.mark.slow
async def test_a_killed_workers_answer_goes_on_where_it_was(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(topology="split")
    alice = await come_in(site)
    request = await alice.send("mock:length=60")
    await alice.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 100)
    site.workers[0].kill()
    site.start_worker()
    answer = await alice.answer(request)
    assert (answer.finish_reason, answer.completion_tokens) == ("stop", 60)
    assert answer.attempt == 2


async def test_what_waits_for_a_first_worker_is_picked_up_when_it_comes(
    sites: Sites, come_in: ComeIn
) -> None:
    site = sites.make(Plan(topology="split"))
    try:
        site.start_web()
        site.wait_for_status(f"{site.url}/healthz")
        alice = await come_in(site)
        request = await alice.send("mock:length=5")
        site.start_worker()
        assert (await alice.answer(request)).completion_tokens == 5
    finally:
        site.stop()


async def test_an_embedded_server_that_restarts_goes_on_with_its_answers(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site()
    alice = await come_in(site)
    request = await alice.send("mock:length=60")
    await alice.wait_for("message.delta", request=request, where=lambda f: f["offset"] > 50)
    shown = alice.answer_so_far(request)
    assert site.web[0].terminate() == 0
    site.start_web()
    site.wait_for_status(f"{site.url}/readyz")
    alice.frames.clear()
    hello = await alice.open()
    assert [one["request"] for one in hello["active"]] == [request]
    await alice.say(type="request.sync", request=request, offset=0)
    end = await alice.wait_for("message.finished", request=request)
    assert end["usage"]["completion_tokens"] == 60
    await alice.say(type="request.sync", request=request, offset=0)
    whole = await alice.wait_for(
        "message.delta", offset=0, where=lambda f: len(f["text"]) == end["length"]
    )
    assert whole["text"].startswith(shown.text[:20])


async def test_two_workers_share_the_requests(start_site: StartSite, come_in: ComeIn) -> None:
    site = start_site(topology="split", workers=2, n=1)
    site.wait_until(
        lambda: site.database.count("inference_workernode", "state = 'ready'") == 2,
        "two workers are not ready",
    )
    people = [await come_in(site) for _ in range(2)]
    requests = [await person.send("mock:length=40") for person in people]
    for person, request in zip(people, requests, strict=True):
        await person.wait_for("message.delta", request=request)
    assert site.database.states() == {"running": 2}
    workers = site.database.execute("SELECT DISTINCT worker_id FROM inference_generationrequest")
    assert len(workers) == 2
