"""`/metrics` for Prometheus. Who may read it is decided here, what it says in
`inference/telemetry`.
"""

from django.conf import settings
from django.db import Error
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inference.telemetry.exposition import exposition


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of the whole site; 401 without the token, where the settings have one."""
    if not _may_read(request):
        response = _sentence("Send the header “Authorization: Bearer …” with the token.", 401)
        response["WWW-Authenticate"] = "Bearer"
        return response
    try:
        page, content_type = exposition(request.headers.get("Accept", ""))
    except Error:
        return _sentence("The database does not answer. Try again in a moment.", 503)
    return HttpResponse(page, content_type=content_type)


def _may_read(request: HttpRequest) -> bool:
    token: str = settings.CHATSITE_METRICS_TOKEN
    given = request.headers.get("Authorization", "")
    return not token or constant_time_compare(given, f"Bearer {token}")


def _sentence(text: str, status: int) -> HttpResponse:
    return HttpResponse(f"{text}\n", status=status, content_type="text/plain; charset=utf-8")
