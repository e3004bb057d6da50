"""Is this process alive, and can the site answer? For load balancers and `make run`; shows no
settings.
"""

import asyncio
from typing import Any

from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache

from inference.queue import ready_workers

LAYER_SECONDS = 2.0
# Nobody listens to it: a message to it is a round trip to the layer and leaves nothing behind.
NOBODY = "readyz"
# In the order in which somebody would mend them.
REASONS = {"database": "database", "layer": "channel layer", "worker": "no ready worker"}


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this web process answers."""
    return HttpResponse("ok", content_type="text/plain")


@never_cache
async def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database and the channel layer answer and a worker is ready; 503 with the reason
    otherwise.
    """
    workers, layer = await asyncio.gather(_ready_workers(), _layer_answers())
    checks = {"database": workers is not None, "layer": layer, "worker": bool(workers)}
    failing = [name for name, holds in checks.items() if not holds]
    body = {"ready": not failing, "checks": checks, "workers": workers or 0}
    if not failing:
        return JsonResponse(body)
    return JsonResponse({**body, "reason": REASONS[failing[0]]}, status=503)


@sync_to_async
def _ready_workers() -> int | None:
    """None when the database does not say."""
    try:
        return ready_workers().count()
    except Error:
        return None


async def _layer_answers() -> bool:
    layer: Any = get_channel_layer()
    try:
        async with asyncio.timeout(LAYER_SECONDS):
            await layer.group_send(NOBODY, {"type": "probe"})
    except Exception:  # of whatever layer it is
        return False
    return True
