"""Comes in as a guest, as a browser does; returns the cookies for the socket."""

from __future__ import annotations

import re
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlencode

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_COOKIE = re.compile(r"^([^=;]+)=([^;]*)")


def come_in(host: str, port: int) -> str:
    """Raises ConnectionError when the site lets nobody in."""
    connection = HTTPConnection(host, port, timeout=60)
    connection.request("GET", "/")
    page = connection.getresponse()
    token = _TOKEN.search(page.read().decode())
    if token is None:
        raise ConnectionError(f"The page has no button for guests (status {page.status}).")
    cookies = _cookies(page)
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": _header(cookies),
        "Origin": f"http://{host}:{port}",
    }
    form = urlencode({"csrfmiddlewaretoken": token[1]})
    connection.request("POST", "/accounts/guest/", form, headers)
    entered = connection.getresponse()
    entered.read()
    cookies |= _cookies(entered)
    connection.close()
    if "sessionid" not in cookies:
        raise ConnectionError(f"Guests are not let in (status {entered.status}).")
    return _header(cookies)


def _cookies(response: HTTPResponse) -> dict[str, str]:
    headers = response.headers.get_all("Set-Cookie") or []
    found = [_COOKIE.match(header) for header in headers]
    return {match[1]: match[2] for match in found if match}


def _header(cookies: dict[str, str]) -> str:
    return "; ".join(f"{name}={value}" for name, value in cookies.items())
