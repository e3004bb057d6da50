"""The queue in the Django admin; one module for each thing that staff look at."""

from inference.admin import audit, policy, queue, quotas, requests, usage, workers

__all__ = ["audit", "policy", "queue", "quotas", "requests", "usage", "workers"]
