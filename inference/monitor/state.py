"""What the live page shows, read from the rows: plain values for JSON, times as seconds since 1970.

Figures only. Two states are compared by `changes`, so that a page gets only what is new.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Min

from inference.models import QueuePolicy, WorkerNode
from inference.models.policy import LIMITS
from inference.queue.ordering import running_requests, waiting_requests
from inference.queue.places import places
from inference.queue.policy import current_policy
from inference.queue.workers import known_workers, live_workers, places_by_model

State = dict[str, Any]
Row = dict[str, Any]

# Of those who wait, the first ones are shown; the others are counted.
SHOWN = 200
# Of the policy: the limits that its form changes, and what has buttons of its own.
POLICY_FIELDS = (*LIMITS, "paused", "notice")
_TIMES = ("submitted_at", "claimed_at", "running_since", "first_token_at")
_COLUMNS = (
    *("public_id", "user_id", "user__username", "group", "state", "priority", "model"),
    *("worker__name", "slot", "attempt", "suspect", "abort_requested"),
    *("prompt_tokens", "cached_tokens", "completion_tokens"),
    *_TIMES,
)
_FIGURES = ("tokens_per_s", "step_ms", "mean_batch", "kv_used", "memory_used", "memory_total")


def read_state() -> State:
    """Everything that the page shows."""
    policy = current_policy()
    standing = places(SHOWN)
    shown = [place.public_id for place in standing]
    running = _rows(running_requests())
    waiting = _rows(waiting_requests().filter(public_id__in=shown)) if shown else {}
    _mark_held_back(policy, running.values(), [waiting[key] for key in shown if key in waiting])
    offered = places_by_model(policy)
    return {
        "policy": {name: getattr(policy, name) for name in POLICY_FIELDS},
        "workers": _workers(Counter(row["worker"] for row in running.values())),
        "requests": {**running, **waiting},
        "order": [
            [place.public_id, place.eta_seconds] for place in standing if place.public_id in waiting
        ],
        "totals": {
            "running": len(running),
            "waiting": standing[0].waiting if standing else 0,
            "places": sum(offered.values()),
            "oldest": _seconds(waiting_requests().aggregate(at=Min("submitted_at"))["at"]),
        },
    }


def changes(before: State, after: State) -> State:
    """What turns one state into the other; empty where nothing changed.

    Of rows only the fields that changed are named, in `set`, and those that went, in `gone`.
    """
    found: State = {}
    for name, section in after.items():
        if name in ("workers", "requests"):
            rows = _changed_rows(before[name], section)
            if rows["set"] or rows["gone"]:
                found[name] = rows
        elif section != before[name]:
            found[name] = section
    return found


def _changed_rows(before: Mapping[str, Row], after: Mapping[str, Row]) -> State:
    changed = {}
    for key, row in after.items():
        old = before.get(key, {})
        fields = {name: value for name, value in row.items() if old.get(name, ...) != value}
        if fields:
            changed[key] = fields
    return {"set": changed, "gone": [key for key in before if key not in after]}


def _rows(requests: Any) -> dict[str, Row]:
    found = (_request(columns) for columns in requests.order_by("id").values(*_COLUMNS))
    return {row["id"]: row for row in found}


def _request(columns: Row) -> Row:
    row = {name: columns[name] for name in _COLUMNS if "__" not in name}
    row["id"] = str(row.pop("public_id"))
    row["user"] = columns["user__username"]
    row["worker"] = columns["worker__name"] or ""
    return {**row, **{name: _seconds(row[name]) for name in _TIMES}}


def _mark_held_back(policy: QueuePolicy, running: Iterable[Row], waiting: Iterable[Row]) -> None:
    """Notes why somebody may not start now whatever comes free, as `ordering` passes them over."""
    running = list(running)
    share = policy.max_running_per_user
    turns = Counter(row["user_id"] for row in running)
    a_suspect_runs = any(row["suspect"] for row in running)
    for row in waiting:
        turns[row["user_id"]] += 1
        if share and turns[row["user_id"]] > share:
            row["held_back"] = "share"
        else:
            row["held_back"] = "suspect" if row["suspect"] and a_suspect_runs else ""


def _workers(running: Counter[str]) -> dict[str, Row]:
    living = set(live_workers().values_list("id", flat=True))
    return {
        worker.name: _worker(worker, worker.pk in living, running[worker.name])
        for worker in known_workers()
    }


def _worker(worker: WorkerNode, is_live: bool, running: int) -> Row:
    return {
        "name": worker.name,
        "host": worker.host,
        "pid": worker.pid,
        "model": worker.model,
        "device": worker.device,
        "dtype": worker.dtype,
        "runner": worker.runner,
        "slots": worker.slots,
        "state": worker.state,
        "detail": worker.detail,
        "accepts": worker.accepts,
        "live": is_live,
        "running": running,
        "heartbeat_at": _seconds(worker.heartbeat_at),
        **{name: worker.figures.get(name) for name in _FIGURES},
    }


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else round(moment.timestamp(), 3)
