"""Ten thousand waiting: how many queries, by which plan, and (long) how many milliseconds."""

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inference.models import GenerationRequest
from inference.queue import places
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.ordering import (
    _PRIORITIES,
    _parameters,
    active_requests,
    oldest_sql,
    order_sql,
    running_requests,
)
from tests.inference.build import a_policy, a_request, a_user, a_worker
from tests.inference.test_queue_processes import output, program
from tests.support.fixtures import DatabaseKind, Sites
from tests.support.site import Plan

LIMITS = {"sqlite": 50.0, "postgres": 20.0}  # milliseconds at p95, with 10,000 waiting


def queries(act: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        act()
    return len(captured)


@pytest.mark.django_db
@pytest.mark.parametrize("act", ["claim", "places", "submit"])
def test_the_number_of_queries_does_not_grow_with_the_queue(act: str) -> None:
    a_policy(max_running=1, max_waiting=500, max_running_per_user=2, max_waiting_per_user=50)
    user = a_user()

    def once() -> int:
        worker = a_worker()
        acts = {
            "claim": lambda: claim(worker, 0),
            "places": lambda: places(10),
            "submit": lambda: a_request(user),
        }
        return queries(acts[act])

    for _ in range(12):
        a_request()
    few = once()
    for _ in range(60):
        a_request()
    assert once() == few <= 14


def sqlite_plan(sql: str, parameters: object) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)  # type: ignore[arg-type]
        return "\n".join(str(row[-1]) for row in cursor.fetchall())


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of SQLite's planner")
def test_the_order_reads_only_its_index_and_never_the_history() -> None:
    policy = a_policy(max_running=1, max_waiting=10)
    plan = sqlite_plan(order_sql(), _parameters(policy, "m", 4))
    assert "USING COVERING INDEX request_active" in plan
    # The window comes in the index's order; only what is left is sorted.
    assert plan.count("TEMP B-TREE") == 1


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of SQLite's planner")
def test_the_first_few_are_found_without_reading_everybody() -> None:
    parameters = _parameters(a_policy(max_running=1, max_waiting=10), "m", 4)
    window = order_sql(people=True).replace("{PEOPLE}", "(1,2,3)")
    assert "SEARCH inference_generationrequest USING COVERING INDEX request_active" in sqlite_plan(
        window, parameters
    )
    plan = sqlite_plan(oldest_sql([0, 2]), {**parameters, "oldest": 3})
    assert "request_waiting" in plan and "TEMP B-TREE" not in plan
    assert "SCAN inference" not in sqlite_plan(_PRIORITIES, {}).replace(
        "SCAN inference_generationrequest USING COVERING INDEX request_waiting", ""
    )


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "sqlite", reason="the words of SQLite's planner")
def test_leases_and_bounds_are_read_by_their_indexes() -> None:
    worker = a_worker()
    held = running_requests().filter(worker=worker, suspect=True)
    assert "request_running" in held.explain()
    lost = running_requests().filter(lease_until__lt=database_now() + timedelta(seconds=1))
    assert "request_running" in lost.explain()
    assert "request_user" in active_requests().filter(user_id=1).explain()


@pytest.mark.django_db
def test_a_request_that_is_over_has_left_the_queues_indexes() -> None:
    """The conditions of the indexes are constraints too, so no state can slip out of them."""
    from django.db import IntegrityError, transaction

    a_policy(max_running=1, max_waiting=10)
    request = a_request()
    rows = GenerationRequest.objects.filter(pk=request.pk)
    for wrong in ({"state": "finished"}, {"ended_at": database_now()}, {"state": "running"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            rows.update(**wrong)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kind", [pytest.param("sqlite"), pytest.param("postgres", marks=[pytest.mark.postgres])]
)
def test_a_claim_and_the_first_places_with_ten_thousand_waiting(
    sites: Sites, kind: DatabaseKind
) -> None:
    site = sites.make(Plan(), kind)
    output(program(site, "seed", 10_000, 2_000), 120)
    found = json.loads(output(program(site, "measure", 200), 300))
    print(f"\n{kind}, 10,000 waiting, milliseconds: {found}")
    assert found["step"]["p95"] < LIMITS[kind]
