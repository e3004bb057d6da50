"""Refuses WebSocket handshakes from foreign pages, by full origin; knows no consumer.

Channels' own validator compares host names only, so `http://host:8443` would pass for
`https://host`.
"""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[Any]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_WEB_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}


class OriginCheck:
    """ASGI middleware: passes a handshake on only when its one Origin header is allowed."""

    def __init__(self, application: App) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        if origin_allowed(scope, settings.CHATSITE_ORIGINS, settings.ALLOWED_HOSTS):
            return await self.application(scope, receive, send)
        return await WebsocketDenier()(scope, receive, send)


def origin_allowed(scope: Scope, origins: list[str], hosts: list[str]) -> bool:
    """True when the handshake's Origin is one of `origins`, or without any its own site."""
    headers = [(name.lower(), value) for name, value in scope.get("headers", [])]
    given = [value for name, value in headers if name == b"origin"]
    if len(given) != 1:
        return False
    origin = _normalise(given[0])
    if origin is None:
        return False
    if origins:
        return origin in {_normalise(item.encode()) for item in origins}
    return origin == _own_origin(scope, headers, hosts)


def _own_origin(
    scope: Scope, headers: list[tuple[bytes, bytes]], hosts: list[str]
) -> tuple[str, str, int] | None:
    given = [value for name, value in headers if name == b"host"]
    if len(given) != 1:
        return None
    scheme = _WEB_SCHEMES.get(scope.get("scheme", "ws"), "http")
    own = _normalise(scheme.encode() + b"://" + given[0])
    if own is None or not validate_host(_bracketed(own[1]), hosts):
        return None
    return own


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _normalise(raw: bytes) -> tuple[str, str, int] | None:
    """(scheme, host, port) in lower case, or None for anything that is not a plain web origin."""
    try:
        text = raw.decode("ascii").lower()
        parts = urlsplit(text)
        port = parts.port
    except (UnicodeDecodeError, ValueError):
        return None
    # Nothing but scheme, host and port: no path, no user, not even an empty query.
    plain = text == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or not plain:
        return None
    return parts.scheme, parts.hostname, port or _DEFAULT_PORTS[parts.scheme]
