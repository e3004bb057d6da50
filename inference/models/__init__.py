"""The rows of the request queue: requests, workers, the policy and figures. `inference.queue` alone
changes states.

Knows users by key only, and nothing of conversations or pages.

A new column that may not be null gets a default of the database: while a site is upgraded,
processes of the last version still write these rows.
"""

from inference.models.figures import MetricTotal, QueueSample, UsageDay
from inference.models.policy import GroupQuota, Queue, QueuePolicy
from inference.models.requests import (
    TEXT_PARAMS,
    GenerationRequest,
    as_public_id,
    finished_event,
)
from inference.models.workers import HousekeeperLease, WorkerNode

__all__ = [
    "TEXT_PARAMS",
    "GenerationRequest",
    "GroupQuota",
    "HousekeeperLease",
    "MetricTotal",
    "Queue",
    "QueuePolicy",
    "QueueSample",
    "UsageDay",
    "WorkerNode",
    "as_public_id",
    "finished_event",
]
