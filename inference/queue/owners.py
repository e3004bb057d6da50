"""Moves requests, and what was used, from one person to another: a guest's, when they get an
account.
"""

from inference.models import GenerationRequest
from inference.queue.usage_days import move_days


def move_requests(from_user_id: int, to_user_id: int, reply_group: str) -> int:
    """All of them, in the caller's transaction; replies go to `reply_group` from now on. How many.

    A worker that runs one of them learns of it with its next heartbeat.
    """
    mine = GenerationRequest.objects.filter(user_id=from_user_id)
    moved = mine.update(user_id=to_user_id, reply_group=reply_group)
    # After the requests: what was pruned of them meanwhile is among the days by now.
    move_days(from_user_id, to_user_id)
    return moved
