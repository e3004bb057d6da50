"""A hundred thousand requests that are over cost those that wait nothing."""

import json
import re
from typing import Any

import pytest

from tests.inference.test_queue_processes import BOTH, output, program
from tests.support.fixtures import DatabaseKind, Sites
from tests.support.site import Plan, Site

WAITING = 500
HISTORY = 100_000
ROUNDS = 50
# Reads of the whole table in PostgreSQL's words and in SQLite's, and of all that a worker ever ran.
TOO_MUCH = re.compile(
    r"Seq Scan on inference_generationrequest|SCAN inference_generationrequest(?! USING)"
    r"|request_worker_id_"
)
# The window that says who is next.
ORDERED = re.compile(r"WindowAgg|\(subquery-")


def a_queue(sites: Sites, kind: DatabaseKind, history: int) -> Site:
    site = sites.make(Plan(), kind)
    output(program(site, "seed", WAITING, 100), 60)
    if history:
        output(program(site, "history", history), 60)
        assert site.database.states() == {"waiting": WAITING, "finished": history + 1}
    return site


@pytest.mark.slow
@pytest.mark.parametrize("history", [20_000, pytest.param(HISTORY, marks=[pytest.mark.long])])
@pytest.mark.parametrize("kind", BOTH)
def test_no_statement_of_the_queue_reads_what_is_over(
    sites: Sites, kind: DatabaseKind, history: int
) -> None:
    site = a_queue(sites, kind, history)
    plans: dict[str, list[str]] = json.loads(output(program(site, "plans"), 60))
    too_much = {name: [one for one in of if TOO_MUCH.search(one)] for name, of in plans.items()}
    assert not any(too_much.values()), too_much
    used = {name: sorted(_indexes(of)) for name, of in plans.items()}
    print(f"{kind}: {used}")
    assert len([one for one in plans["all places"] if ORDERED.search(one)]) == 1
    assert {"request_waiting", "request_active"} <= set(used["claim"])
    assert {"request_waiting", "request_active"} <= set(used["first places"])
    assert "request_running" in used["rescue"]
    assert "request_waiting" in used["expiry"]


def _indexes(plans: list[str]) -> set[str]:
    return set(re.findall(r"request_[a-z]+", "\n".join(plans)))


@pytest.mark.long
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", BOTH)
def test_a_long_history_does_not_slow_the_queue_down(sites: Sites, kind: DatabaseKind) -> None:
    """The best of three medians each, taken in turn, so that other load hits both alike."""
    queues = [a_queue(sites, kind, history) for history in (0, HISTORY)]
    found: list[list[dict[str, Any]]] = [[], []]
    for _ in range(3):
        for number, site in enumerate(queues):
            found[number].append(json.loads(output(program(site, "measure", ROUNDS), 60)))
    for act in ("claim", "first", "all", "submit"):
        without, beside = (min(one[act]["p50"] for one in of) for of in found)
        print(f"{kind}, {act}: {without:.2f} ms without a history, {beside:.2f} ms beside one")
        assert beside <= 2 * without
