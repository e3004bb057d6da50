"""What people do at a whole site, by a script; and what its metrics must say afterwards.

Two web processes, two workers with a place each; two may wait, one of each person. Knows nothing of
how the site counts: it adds up what the frames said.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.support.client import Frame, Person
from tests.support.metrics_page import Page
from tests.support.site import Site

SECRET = "xylophone-in-the-attic"
PLAN: dict[str, Any] = {
    "topology": "split",
    "web": 2,
    "workers": 2,
    "n": 1,
    "q": 2,
    "waiting_per_user": 1,
    "mock_rate": 100.0,
    "env": {"CHATSITE_LOG_FORMAT": "json"},
}
LONG = f"{SECRET} mock:length=100000 mock:rate=20"
QUEUE_TIME = "chatsite_request_queue_time_seconds"
FIRST_TOKEN = "chatsite_time_to_first_token_seconds"


@dataclass
class Heard:
    """All that the site told the people of the script."""

    accepted: int = 0
    ends: list[Frame] = field(default_factory=list)
    rejected: Counter[str] = field(default_factory=Counter)

    def expected(self) -> dict[str, float]:
        """Sums over all labels, by series."""
        claimed = [end for end in self.ends if end["timings"]["queue_s"] is not None]
        begun = [end for end in self.ends if end["timings"]["ttft_s"] is not None]
        tokens = {
            name: float(sum(end["usage"][name] for end in self.ends))
            for name in ("prompt_tokens", "cached_tokens", "completion_tokens")
        }
        return {
            "chatsite_requests_submitted_total": self.accepted,
            "chatsite_requests_rejected_total": self.rejected.total(),
            "chatsite_request_success_total": len(self.ends),
            "chatsite_prompt_tokens_total": tokens["prompt_tokens"],
            "chatsite_prompt_tokens_cached_total": tokens["cached_tokens"],
            "chatsite_generation_tokens_total": tokens["completion_tokens"],
            "chatsite_request_prompt_tokens_sum": tokens["prompt_tokens"],
            "chatsite_request_generation_tokens_sum": tokens["completion_tokens"],
            "chatsite_request_generation_tokens_count": len(claimed),
            f"{QUEUE_TIME}_count": len(claimed),
            f"{FIRST_TOKEN}_count": len(begun),
            "chatsite_request_prefill_time_seconds_count": len(begun),
            "chatsite_request_decode_time_seconds_count": len(begun),
            "chatsite_e2e_request_latency_seconds_count": len(claimed),
        }

    def reasons(self) -> Counter[str]:
        return Counter(end["finish_reason"] for end in self.ends)

    def seconds(self, name: str) -> float:
        """The sum of one of the timings."""
        return sum(end["timings"][name] or 0.0 for end in self.ends)


async def play(site: Site) -> Heard:
    """Answers, an error, aborts while waiting and while running, refusals."""
    heard = Heard()
    people = [await Person.guest(url) for url in [*site.urls, site.urls[0]]]
    alice, bob, carol = people
    await _answers(heard, alice, bob)
    running = [await _send(heard, person, LONG) for person in (alice, bob)]
    for person, request in zip(people, running, strict=False):
        await person.wait_for("message.delta", request=request)
    waiting = [await _send(heard, person, f"{SECRET} mock:length=3") for person in (alice, bob)]
    await _refusals(heard, bob, carol)
    await _abort(heard, alice, waiting[0])
    await _abort(heard, bob, running[1])
    heard.ends.append(await bob.wait_for("message.finished", request=waiting[1]))
    await _abort(heard, alice, running[0])
    await asyncio.gather(*(person.close() for person in people))
    return heard


async def _answers(heard: Heard, alice: Person, bob: Person) -> None:
    for person, text, params in (
        (alice, f"{SECRET} mock:length=12", {}),
        (bob, f"{SECRET} mock:length=20", {"max_tokens": 5}),
        (bob, f"{SECRET} mock:error@3", {}),
        (alice, f"{SECRET} mock:echo", {}),
    ):
        request = await _send(heard, person, text, **params)
        heard.ends.append(await person.wait_for("message.finished", request=request))


async def _refusals(heard: Heard, bob: Person, carol: Person) -> None:
    for refusal in (
        await bob.try_send(SECRET),
        await carol.try_send(SECRET),
        await carol.try_send(SECRET, temperature=-1),
    ):
        assert refusal.type == "request.rejected", refusal
        heard.rejected[refusal["code"]] += 1


async def _send(heard: Heard, person: Person, text: str, **params: Any) -> str:
    heard.accepted += 1
    return await person.send(text, **params)


async def _abort(heard: Heard, person: Person, request: str) -> None:
    await person.abort(request)
    heard.ends.append(await person.wait_for("message.finished", request=request))


def differences(page: Page, heard: Heard) -> dict[str, tuple[float, float]]:
    """Of each series that is not as heard: what the page says and what it must say."""
    return {
        name: (page.sum(name), value)
        for name, value in heard.expected().items()
        if page.sum(name) != value
    }
