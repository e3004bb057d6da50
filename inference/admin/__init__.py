"""The queue in the Django admin; one module for each thing that staff look at."""

from inference.admin import audit, policy, queue, requests, workers

__all__ = ["audit", "policy", "queue", "requests", "workers"]
