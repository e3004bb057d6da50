"""Is this process alive, and can the site answer? For load balancers and `make run`; shows no
settings.
"""

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse

from inference.queue import ready_workers


def healthz(request: HttpRequest) -> HttpResponse:
    """200 while this web process answers."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and a worker is ready; 503 with the reason otherwise."""
    try:
        workers = ready_workers().count()
    except DatabaseError:
        return JsonResponse({"ready": False, "reason": "database"}, status=503)
    if not workers:
        return JsonResponse({"ready": False, "reason": "no ready worker"}, status=503)
    return JsonResponse({"ready": True, "workers": workers})
