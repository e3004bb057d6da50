"""Brings back what a dead worker left, and drops what waited too long or for nobody."""

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime, timedelta

from django.db import InterfaceError, OperationalError, transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext as _

from inference import signals
from inference.models import GenerationRequest, WorkerNode
from inference.queue.clock import database_now
from inference.queue.ending import end
from inference.queue.ordering import running_requests, waiting_requests
from inference.queue.poison import worker_vanished_with
from inference.queue.policy import current_policy
from inference.queue.running import release
from inference.queue.workers import live_workers

logger = logging.getLogger(__name__)


def rescue(dead: Collection[WorkerNode] = (), by_lease: bool = True) -> list[GenerationRequest]:
    """Requests whose lease ran out (if these are asked for) or whose worker is `dead`, back in the
    queue with their text (or ended, if that was wanted).
    """
    with transaction.atomic():
        lost = Q(worker__in=dead)
        if by_lease:
            lost |= Q(lease_until__lt=database_now())
        # By id, as all who lock several do; as a sum, or SQLite would walk all that ever was by id.
        found = running_requests().select_for_update().filter(lost).order_by(F("id") + 0)
        rescued = list(found)
        together: dict[int | None, list[GenerationRequest]] = defaultdict(list)
        for request in rescued:
            together[request.worker_id].append(request)
        living = set(live_workers().values_list("id", flat=True))
        for worker, requests in together.items():
            # One that lives lost sight of them, by an outage of the database; they did nothing.
            if worker not in living:
                worker_vanished_with(requests)
        return [request for request in rescued if _is_released(request)]


def _is_released(request: GenerationRequest) -> bool:
    """One that cannot be stored must not keep the others from being rescued."""
    try:
        with transaction.atomic():
            release(request)
            signals.after_commit(signals.rescued, request)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        logger.exception("Could not rescue request %s.", request.public_id)
        return False
    return True


def expire() -> list[GenerationRequest]:
    """Waiting requests whose person has gone, or whose time is over, ended."""
    now, limit = database_now(), current_policy().max_waiting_seconds
    # Two transactions, as each locks by id.
    with transaction.atomic():
        unwanted = _ended(
            _waiting().filter(wanted_until__lt=now),
            "aborted",
            _("Nobody was waiting for this answer any more."),
        )
    if not limit:
        return unwanted
    with transaction.atomic():
        return unwanted + _past_the_deadline(now, limit)


def _past_the_deadline(now: datetime, limit: int) -> list[GenerationRequest]:
    late = _waiting().filter(submitted_at__lt=now - timedelta(seconds=limit))
    sentence = _("No place came free within %(limit)d seconds. Try again later.")
    return _ended(late, "failed", sentence % {"limit": limit})


def _waiting() -> QuerySet[GenerationRequest]:
    # An answer that has begun goes on, whoever watches and however long its next worker is coming.
    return waiting_requests().select_for_update().filter(claimed_at=None)


def _ended(
    requests: QuerySet[GenerationRequest], reason: str, detail: str
) -> list[GenerationRequest]:
    expired = list(requests.order_by("id"))
    for request in expired:
        end(request, reason, "expired", detail)
    return expired
