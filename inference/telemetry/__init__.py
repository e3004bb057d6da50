"""What operators see of the queue: totals of every process in one place, `/metrics`, the request
log.

Hears of requests by `inference.signals` alone and changes none. The queue knows nothing of it.
"""
