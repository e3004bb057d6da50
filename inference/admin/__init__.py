"""The queue in the Django admin; one module for each thing that staff look at."""

from inference.admin import policy, requests, workers

__all__ = ["policy", "requests", "workers"]
