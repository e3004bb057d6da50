"""A whole site under a scripted load: its metrics and its log tell exactly what happened."""

import asyncio
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.support.client import Person
from tests.support.fixtures import ComeIn, DatabaseKind, Sites, StartSite
from tests.support.metrics_page import Page, problems
from tests.support.site import Plan, Site
from tests.telemetry.scripted_load import (
    FIRST_TOKEN,
    LONG,
    PLAN,
    QUEUE_TIME,
    SECRET,
    Heard,
    differences,
    play,
)

pytestmark = [pytest.mark.redis, pytest.mark.slow]
BOTH = [
    pytest.param("sqlite"),
    pytest.param("postgres", marks=[pytest.mark.postgres, pytest.mark.long]),
]


@dataclass
class Played:
    site: Site
    heard: Heard

    def page(self, web: int = 0) -> Page:
        return Page(httpx.get(f"{self.site.urls[web]}/metrics").text)

    def until(self, holds: Callable[[Page], bool]) -> Page:
        """A page on which it holds: processes write what they counted every two seconds."""
        self.site.wait_until(lambda: holds(self.page()), "the metrics did not come to that")
        return self.page()

    def settled(self) -> Page:
        """Once every process has written what it counted."""
        try:
            return self.until(lambda page: not differences(page, self.heard))
        except AssertionError:
            raise AssertionError(differences(self.page(), self.heard)) from None


@pytest.fixture(scope="module", params=BOTH)
def played(request: pytest.FixtureRequest, sites: Sites) -> Iterator[Played]:
    kind: DatabaseKind = request.param
    site = sites.make(Plan(**PLAN), kind).start()
    for url in site.urls:
        site.wait_for_status(f"{url}/readyz")
    site.wait_until(
        lambda: site.database.count("inference_workernode", "state = 'ready'") == 2,
        "not every worker is ready",
    )
    yield Played(site, asyncio.run(play(site)))
    site.stop()


def test_every_web_process_tells_what_was_asked_of_the_site(played: Played) -> None:
    page, heard = played.settled(), played.heard
    assert heard.reasons() == {"stop": 3, "length": 1, "failed": 1, "aborted": 3}
    for reason, count in heard.reasons().items():
        assert page.sum("chatsite_request_success_total", finished_reason=reason) == count
    assert heard.rejected == {"user_limit": 1, "queue_full": 1, "invalid": 1}
    for code, count in heard.rejected.items():
        assert page.sum("chatsite_requests_rejected_total", reason=code) == count
    assert page.sum("chatsite_requests_submitted_total", group="guests") == heard.accepted
    assert page.sum(f"{QUEUE_TIME}_sum") == pytest.approx(heard.seconds("queue_s"), abs=0.01)
    assert page.sum(f"{FIRST_TOKEN}_sum") == pytest.approx(heard.seconds("ttft_s"), abs=0.01)
    assert played.page(web=1).lasting() == page.lasting()
    assert problems(page.text) == []


def log_lines(site: Site) -> list[dict[str, Any]]:
    """Of all processes; on stdout they print access lines, and how a worker comes up."""
    printed = [
        line for path in sorted(site.folder.glob("*.log")) for line in path.read_text().splitlines()
    ]
    other = re.compile(r"\S+ - - \[.*\] \"|starting the mock engine|Ready: |$")
    logged = [line for line in printed if not other.match(line)]
    return [json.loads(line) for line in logged]


def test_the_log_tells_each_step_of_each_request_and_no_text(played: Played) -> None:
    lines, heard = log_lines(played.site), played.heard
    assert all(line.keys() >= {"time", "level", "logger", "message", "process"} for line in lines)
    told = [line for line in lines if line["logger"] == "inference.requests"]
    events = Counter(line["event"] for line in told)
    expected = heard.expected()
    assert events == {
        "queued": heard.accepted,
        "started": expected[f"{QUEUE_TIME}_count"],
        "first token": expected[f"{FIRST_TOKEN}_count"],
        "finished": len(heard.ends),
        "rejected": heard.rejected.total(),
    }
    ended = {line["request"]: line for line in told if line["event"] == "finished"}
    for end in heard.ends:
        line = ended[end["request"]]
        assert line["reason"] == end["finish_reason"]
        assert line.items() >= end["usage"].items()
        assert line.get("queue_s") == end["timings"]["queue_s"]
    for path in played.site.folder.glob("*.log"):
        assert SECRET not in path.read_text()


async def _one_more(played: Played) -> tuple[str, Person]:
    """A long answer that has begun, and whose beginning is counted."""
    person = await Person.guest(played.site.urls[1])
    request = await person.send(LONG)
    await person.wait_for("message.delta", request=request)
    return request, person


async def test_counts_outlast_a_web_process_and_a_killed_worker(played: Played) -> None:
    before = played.settled()
    request, person = await _one_more(played)
    counts = (f"{QUEUE_TIME}_count", f"{FIRST_TOKEN}_count", "chatsite_requests_submitted_total")
    played.until(lambda page: all(page.sum(name) == before.sum(name) + 1 for name in counts))
    site = played.site
    rows = site.database.execute(
        "SELECT w.pid FROM inference_generationrequest r"
        " JOIN inference_workernode w ON w.id = r.worker_id WHERE r.state = 'running'"
    )
    number = [worker.pid for worker in site.workers].index(rows[0][0])
    site.workers[number].kill()
    await person.wait_for("request.running", request=request, attempt=2)
    refused = await person.try_send("no", temperature=-1)
    assert refused["code"] == "invalid"
    await person.abort(request)
    end = await person.wait_for("message.finished", request=request)
    await person.close()
    assert site.web[1].terminate() == 0
    played.heard.accepted += 1
    played.heard.ends.append(end)
    played.heard.rejected["invalid"] += 1
    page = played.settled()
    assert page.sum("chatsite_rescues_total") == 1
    site.start_worker(number)
    site.start_web(1)
    site.wait_for_status(f"{site.urls[1]}/healthz")
    assert played.page(web=1).lasting() == page.lasting()


async def test_a_process_that_is_web_and_worker_counts_each_event_once(
    start_site: StartSite, come_in: ComeIn
) -> None:
    site = start_site(topology="embedded")
    person = await come_in(site)
    answer = await person.answer(await person.send("mock:length=5 mock:rate=50"))
    assert site.web[0].terminate() == 0
    rows = site.database.execute("SELECT name, value FROM inference_metrictotal")
    totals = {name: value for name, value in rows if name.endswith("_total")}
    assert answer.end is not None
    assert totals == {
        "chatsite_requests_submitted_total": 1,
        "chatsite_request_success_total": 1,
        "chatsite_prompt_tokens_total": answer.end["usage"]["prompt_tokens"],
        "chatsite_prompt_tokens_cached_total": 0,
        "chatsite_generation_tokens_total": 5,
    }
