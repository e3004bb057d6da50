"""How the queue and its workers stand right now, read from the database when somebody asks.

The same from every web process. Knows workers by what they last said of themselves.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.db.models import Count, Min
from prometheus_client.core import GaugeMetricFamily

from inference import conf
from inference.models import QueuePolicy, WorkerNode
from inference.queue.clock import database_now
from inference.queue.ordering import running_requests, waiting_requests
from inference.queue.policy import current_policy
from inference.queue.workers import STOPPED, places_by_model
from inference.telemetry.definitions import GROUPS, PREFIX
from inference.telemetry.series import label_value

# One that says nothing is shown as down for this long; its row may stay longer.
SILENT_FOR = timedelta(minutes=15)
STATES = tuple(str(state) for state in WorkerNode.State if state != STOPPED)
# Name, help, which of a worker's figures, and what one of these is in the metric's unit.
FIGURES = (
    ("worker_num_requests_running", "Requests in its engine.", "running", 1.0),
    ("worker_batch_size", "Output tokens per step of its engine.", "mean_batch", 1.0),
    ("worker_step_seconds", "Mean length of a step of its engine.", "step_ms", 0.001),
    ("worker_generation_tokens_per_second", "Output tokens per second.", "tokens_per_s", 1.0),
    ("worker_prompt_tokens_per_second", "Prompt tokens per second.", "prefill_per_s", 1.0),
    ("kv_cache_usage_perc", "KV memory in use, warm slots too; 1 is all.", "kv_used", 1.0),
)
MEMORY = (
    ("worker_memory_used_bytes", "Memory in use on its device.", "memory_used"),
    ("worker_memory_total_bytes", "Memory of its device.", "memory_total"),
)


def gauges() -> Iterator[GaugeMetricFamily]:
    now, policy = database_now(), current_policy()
    workers = _workers(now)
    models = {worker.model for worker in workers} - {""}  # one that starts has none yet
    yield from _waiting(now)
    yield _running(models)
    yield from _policy(policy, models)
    yield from _life(workers, now)
    yield from _figures(workers)


def _workers(now: datetime) -> list[WorkerNode]:
    """All but those that are known to have ended."""
    found = WorkerNode.objects.exclude(state=STOPPED).filter(heartbeat_at__gte=now - SILENT_FOR)
    workers = list(found.order_by("id"))
    for worker in workers:
        worker.model = label_value(worker.model)
    return workers


def _waiting(now: datetime) -> Iterator[GaugeMetricFamily]:
    counted = _gauge("num_requests_waiting", "Requests that wait, by kind of person.", "group")
    oldest = _gauge(
        "queue_oldest_wait_seconds", "How long the oldest waiting request has waited.", "group"
    )
    rows = waiting_requests().values_list("group").annotate(Count("id"), Min("submitted_at"))
    found = {group: (count, first) for group, count, first in rows}
    for group in _with_known(found):
        count, first = found.get(group, (0, now))
        counted.add_metric([group], count)
        oldest.add_metric([group], max(0.0, (now - first).total_seconds()))
    yield from (counted, oldest)


def _running(models: set[str]) -> GaugeMetricFamily:
    family = _gauge(
        "num_requests_running", "Requests that run, by kind of person.", "model_name", "group"
    )
    rows = running_requests().values_list("worker__model", "group").annotate(Count("id"))
    found = {(label_value(model or ""), group): count for model, group, count in rows}
    known = {(model, group) for model in models for group in GROUPS}
    for model, group in sorted(known | found.keys()):
        family.add_metric([model, group], found.get((model, group), 0))
    return family


def _policy(policy: QueuePolicy, models: set[str]) -> Iterator[GaugeMetricFamily]:
    places = _gauge("queue_places", "How many requests may run at once.", "model_name")
    found = {label_value(model): count for model, count in places_by_model(policy).items()}
    for model in sorted(models | found.keys()):
        places.add_metric([model], found.get(model, 0))
    yield places
    yield _single("queue_max_waiting", "How many requests may wait: Q.", policy.max_waiting)
    yield _single("queue_paused", "1 while nothing new starts.", policy.paused)


def _life(workers: Iterable[WorkerNode], now: datetime) -> Iterator[GaugeMetricFamily]:
    up = _gauge("worker_up", "1 if heard of lately.", "worker", "host", "model_name")
    state = _gauge("worker_state", "1 for the state that it is in.", "worker", "state")
    age = _gauge("worker_heartbeat_age_seconds", "Since it was last heard of.", "worker")
    accepts = _gauge("worker_accepts_requests", "0 if staff keep new ones from it.", "worker")
    for worker in workers:
        silent = max(0.0, (now - worker.heartbeat_at).total_seconds())
        up.add_metric([worker.name, worker.host, worker.model], silent <= conf.LEASE_SECONDS)
        age.add_metric([worker.name], silent)
        accepts.add_metric([worker.name], worker.accepts)
        for one in STATES:
            state.add_metric([worker.name, one], worker.state == one)
    yield from (up, state, age, accepts)


def _figures(workers: Iterable[WorkerNode]) -> Iterator[GaugeMetricFamily]:
    """Of those that are heard of and have said something of their engine."""
    told = [worker for worker in workers if worker.figures]
    for name, help_, figure, unit in FIGURES:
        family = _gauge(name, help_, "worker", "model_name")
        for worker in told:
            family.add_metric([worker.name, worker.model], worker.figures.get(figure, 0) * unit)
        yield family
    for name, help_, figure in MEMORY:
        family = _gauge(name, help_, "worker")
        for worker in told:
            if worker.figures.get("memory_total"):  # else it does not know
                family.add_metric([worker.name], worker.figures.get(figure, 0))
        yield family


def _with_known(groups: Iterable[str]) -> list[str]:
    return sorted({*GROUPS, *groups})


def _gauge(name: str, help_: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", help_, labels=labels)


def _single(name: str, help_: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}{name}", help_, value=value)
