"""What every page needs from the database, and what it says when there is none.

Knows no particular page.
"""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse
from django.views.defaults import server_error

Application = Callable[[Any, Any, Any], Awaitable[None]]

RETRY_SECONDS = 3


def closing_connections(application: Application) -> Application:
    """Each request's database connection ends with it.

    Django serves each request in a thread of its own, so nobody can use its connection afterwards.
    Left open, it would last until Python collects garbage, among dozens of others.
    """

    async def served(scope: Any, receive: Any, send: Any) -> None:
        async with ThreadSensitiveContext():  # the handler's own joins this one
            try:
                await application(scope, receive, send)
            finally:
                await sync_to_async(connections.close_all)()

    return served


def failed(request: HttpRequest) -> HttpResponse:
    """The page for an error: 503 and when to try again if the database is away or full."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        return server_error(request)
    response = server_error(request, "503.html")
    response.status_code = 503
    response["Retry-After"] = str(RETRY_SECONDS)
    return response
