"""Programs for tests that need the queue in processes of their own, on a database by environment.

`seed REQUESTS USERS` · `submit REQUESTS` (through the queue's own door; prints
milliseconds) · `work` (says that it is ready, waits for a line,
claims and ends until nothing waits; prints each key) ·
`measure ROUNDS` (prints milliseconds as JSON) · `history ROWS` (that many that are over) ·
`plans` (prints as JSON how the database reads requests, for each statement of each act).
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

import django

T = TypeVar("T")


def seed(requests: int, users: int) -> None:
    """Waiting requests of many people, stored directly: what counts here comes afterwards."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from inference.models import GenerationRequest, QueuePolicy
    from inference.queue.clock import database_now
    from inference.queue.policy import current_policy

    current_policy()
    QueuePolicy.objects.update(max_waiting=10**6, max_running=4, max_running_per_user=2)
    model = get_user_model()
    people = model.objects.bulk_create(model(username=f"person-{n}") for n in range(users))
    now = database_now()
    turns = itertools.islice(itertools.cycle(people), requests)
    rows = [_waiting(GenerationRequest, person, number, now) for number, person in enumerate(turns)]
    GenerationRequest.objects.bulk_create(rows, batch_size=500)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")  # as PostgreSQL does by itself within a minute


def _waiting(model: Any, person: Any, number: int, now: Any) -> Any:
    return model(
        user=person,
        priority=number % 3,
        messages=[{"role": "user", "content": "x" * 600}],
        params={"max_tokens": 16, "seed": number},
        reply_group="user.1",
        submitted_at=now,
    )


def work() -> None:
    """Like a worker whose answers take no time: four at once, each ended as soon as claimed."""
    from inference.liveness import ProcessIdentity
    from inference.queue import workers
    from inference.queue.claiming import claim
    from inference.queue.ordering import State, active_requests
    from inference.queue.running import Ending, finish
    from tests.inference.build import progress_of

    node = workers.register(f"worker-{time.monotonic_ns()}", "host", ProcessIdentity("", 1, 0))
    workers.report(node, state="ready", slots=4, model="m")
    print("ready", flush=True)
    sys.stdin.readline()
    while True:
        claimed = claim(node, 0)
        time.sleep(0.01)  # an answer takes time, in which others get at the database
        for request in claimed:
            print(request.pk, flush=True)
            assert finish(node, Ending(progress_of(request, "x", 1), "stop")) is not None
        if not claimed and not active_requests().filter(state=State.WAITING).exists():
            return


def submit(requests: int) -> None:
    """One after the other, each beside a look as the admin takes it."""
    from inference.models import GenerationRequest
    from tests.inference.build import a_request, a_user

    user = a_user(username=f"submitter-{time.monotonic_ns()}")
    print("ready", flush=True)
    sys.stdin.readline()
    times = []
    for _ in range(requests):
        times.append(_timed(lambda: a_request(user))[0])
        list(GenerationRequest.objects.select_related("worker").order_by("-id")[:50])
    print(json.dumps(times))


def measure(rounds: int) -> None:
    """A freed place: the claim that fills it, the first places told anew; also a submit's cost."""
    from inference import conf
    from inference.liveness import ProcessIdentity
    from inference.models import GenerationRequest
    from inference.queue import workers
    from inference.queue.claiming import claim
    from inference.queue.places import places
    from inference.queue.running import Ending, finish
    from tests.inference.build import a_request, progress_of

    name = f"measured-{time.monotonic_ns()}"
    node = workers.register(name, "host", ProcessIdentity("", 1, 0))
    workers.report(node, state="ready", slots=4, model="m")
    claim(node, 0)
    spent: dict[str, list[float]] = {"step": [], "claim": [], "first": [], "all": [], "submit": []}
    user = GenerationRequest.objects.latest("id").user
    for number in range(rounds):
        running = GenerationRequest.objects.filter(worker=node, state="running").first()
        assert running is not None
        finish(node, Ending(progress_of(running, "x", 1), "stop"))
        claim_ms, claimed = _timed(lambda: claim(node, 3))
        assert len(claimed) == 1
        first_ms, first = _timed(lambda: places(conf.FIRST_PLACES))
        assert len(first) == conf.FIRST_PLACES
        spent["claim"].append(claim_ms)
        spent["first"].append(first_ms)
        spent["step"].append(claim_ms + first_ms)
        if number % 10 == 0:
            spent["all"].append(_timed(places)[0])
            spent["submit"].append(_timed(lambda: a_request(user))[0])
    print(json.dumps({name: _summary(times) for name, times in spent.items()}))


# What differs between two rows of the history: nobody's key may come twice.
_VARIED = {
    "postgresql": {
        "series": "generate_series(1, %s) AS series(n)",
        "public_id": "gen_random_uuid()",
        "ended_at": "ended_at - n * interval '1 second'",
    },
    "sqlite": {
        "series": "(WITH RECURSIVE series(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series"
        " WHERE n < %s) SELECT n FROM series)",
        "public_id": "lower(hex(randomblob(16)))",
        "ended_at": "datetime(ended_at, '-' || n || ' seconds')",
    },
}


def history(rows: int) -> None:
    """Copies of one request that is over, spread over all people, as old as their number says."""
    from django.contrib.auth import get_user_model
    from django.db import connection

    from inference.liveness import ProcessIdentity
    from inference.models import GenerationRequest
    from inference.queue import workers
    from tests.inference.build import a_request

    node = workers.register("planned", "host", ProcessIdentity("", 1, 0))
    over = a_request(get_user_model().objects.earliest("id"))
    table, people = over._meta.db_table, get_user_model().objects.count()
    GenerationRequest.objects.filter(pk=over.pk).update(
        state="finished", worker=node, claimed_at=over.submitted_at, ended_at=over.submitted_at
    )
    varied = {**_VARIED[connection.vendor], "user_id": f"user_id + mod(n, {people})"}
    fields = over._meta.concrete_fields
    columns = [f'"{field.column}"' for field in fields if not field.primary_key]
    values = ", ".join(varied.get(column.strip('"'), column) for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table},"
            f" {varied['series']} WHERE id = {over.pk}",
            [rows],
        )
        cursor.execute("ANALYZE")


def plans() -> None:
    from inference.models import GenerationRequest, WorkerNode
    from inference.queue import active_for_user, keep_wanted, running, workers
    from inference.queue.claiming import claim
    from inference.queue.places import places
    from inference.queue.rescue import expire, rescue
    from inference.telemetry.gauges import gauges
    from tests.inference.build import a_request, progress_of

    node = WorkerNode.objects.get(name="planned")  # whose history is long
    workers.report(node, state="ready", slots=4, model="m")
    user = GenerationRequest.objects.latest("id").user
    progress = [progress_of(request, "x", 1) for request in claim(node, 2)]
    acts: dict[str, Callable[[], object]] = {
        "claim": lambda: claim(node, 2),
        "first places": lambda: places(10),
        "all places": places,
        "one person's places": lambda: places(user_id=user.pk),
        "submit": lambda: a_request(user),
        "presence": lambda: keep_wanted(user.pk),
        "greeting": lambda: active_for_user(user.pk),
        "checkpoint": lambda: running.checkpoint(node, progress),
        "renewal": lambda: running.renew_leases(node, [one.key for one in progress]),
        "aborts": lambda: running.abort_flags(node),
        "hand-back": lambda: running.hand_back(node, progress),
        "rescue": rescue,
        "expiry": expire,
        "metrics": lambda: list(gauges()),
    }
    print(json.dumps({name: _plans_of(act) for name, act in acts.items()}))


def _plans_of(act: Callable[[], object]) -> list[str]:
    """Of each statement that reads or changes requests, as it went to the database."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    explain = "EXPLAIN" if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN"
    with CaptureQueriesContext(connection) as captured:
        act()
    found = []
    with connection.cursor() as cursor:
        for sql in (query["sql"] for query in captured):
            if "inference_generationrequest" in sql and not sql.startswith("INSERT"):
                cursor.execute(f"{explain} {sql}")
                found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return found


def _timed(act: Callable[[], T]) -> tuple[float, T]:
    start = time.perf_counter()
    found = act()
    return (time.perf_counter() - start) * 1000, found


def _summary(times: list[float]) -> dict[str, float]:
    ordered = sorted(times)
    return {
        "p50": round(ordered[len(ordered) // 2], 2),
        "p95": round(ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))], 2),
    }


if __name__ == "__main__":
    django.setup()
    name, *numbers = sys.argv[1:]
    programs: dict[str, Callable[..., None]] = {
        "seed": seed,
        "work": work,
        "submit": submit,
        "measure": measure,
        "history": history,
        "plans": plans,
    }
    programs[name](*map(int, numbers))
