"""What workers say of themselves, and who of them is alive."""

from datetime import timedelta
from typing import Any

from django.db.models import QuerySet, Sum
from django.db.models.functions import Least
from django.utils.translation import gettext

from inference import conf
from inference.liveness import ProcessIdentity, is_gone
from inference.models import QueuePolicy, WorkerNode
from inference.queue.clock import database_now
from inference.queue.housekeeping import give_up_house

STOPPED = WorkerNode.State.STOPPED


def register(name: str, host: str, process: ProcessIdentity) -> WorkerNode:
    """A new row for a worker process that is starting; rows of long dead ones go."""
    now = database_now()
    WorkerNode.objects.filter(heartbeat_at__lt=now - timedelta(hours=1)).delete()
    return WorkerNode.objects.create(
        name=name,
        host=host,
        pid=process.pid,
        machine=process.machine,
        birth=process.birth,
        started_at=now,
        heartbeat_at=now,
    )


def bury_the_dead_beside(worker: WorkerNode) -> list[WorkerNode]:
    """Workers of the same machine whose process is gone; they count as stopped from here on."""
    if not worker.machine:
        return []
    beside = WorkerNode.objects.filter(machine=worker.machine).exclude(pk=worker.pk)
    here = identity_of(worker)
    dead = [one for one in beside.exclude(state=STOPPED) if is_gone(identity_of(one), here)]
    for one in dead:
        one.state, one.detail = STOPPED, gettext("Its process ended without a word.")
        one.save(update_fields=["state", "detail"])
        give_up_house(one.name)
    return dead


def identity_of(worker: WorkerNode) -> ProcessIdentity:
    return ProcessIdentity(worker.machine, worker.pid, worker.birth)


def report(worker: WorkerNode, **fields: Any) -> None:
    """Stores what changed about a worker, and that it is alive."""
    WorkerNode.objects.filter(pk=worker.pk).update(heartbeat_at=database_now(), **fields)
    for name, value in fields.items():
        setattr(worker, name, value)


def live_workers() -> QuerySet[WorkerNode]:
    """Workers heard of lately, in any state but stopped."""
    oldest = database_now() - timedelta(seconds=conf.LEASE_SECONDS)
    return WorkerNode.objects.filter(heartbeat_at__gte=oldest).exclude(state=STOPPED)


def known_workers() -> QuerySet[WorkerNode]:
    """Those that live, and those that ended or fell silent a short while ago; oldest first."""
    lately = database_now() - timedelta(seconds=conf.REMEMBER_WORKERS_SECONDS)
    return WorkerNode.objects.filter(heartbeat_at__gte=lately).order_by("started_at", "id")


def ready_workers() -> QuerySet[WorkerNode]:
    """Live workers that claim requests."""
    return live_workers().filter(state=WorkerNode.State.READY, accepts=True)


def places_by_model(policy: QueuePolicy) -> dict[str, int]:
    """How many requests may run at once: by model, the sum of min(N, slots) over ready workers."""
    each = ready_workers().values("model").annotate(places=Sum(Least("slots", policy.max_running)))
    return {one["model"]: one["places"] for one in each}


def models_on_offer() -> list[str]:
    """Names of the models that ready workers have loaded."""
    return sorted(set(ready_workers().values_list("model", flat=True)))
