"""Which pages may open a socket."""

import pytest

from chatsite.origins import origin_allowed

HOSTS = ["chat.example.org", "[::1]", "localhost"]


def allowed(
    *origins: bytes, host: bytes = b"chat.example.org", scheme: str = "wss", configured: str = ""
) -> bool:
    headers = [(b"Host", host), *((b"Origin", origin) for origin in origins)]
    scope = {"type": "websocket", "scheme": scheme, "headers": headers}
    return origin_allowed(scope, [configured] if configured else [], HOSTS)


@pytest.mark.parametrize(
    "origin",
    [b"https://chat.example.org", b"https://chat.example.org:443", b"https://CHAT.example.org"],
)
def test_the_sites_own_page_may(origin: bytes) -> None:
    assert allowed(origin)
    assert allowed(origin, host=b"internal:8000", configured="https://chat.example.org")


@pytest.mark.parametrize(
    "origin",
    [
        b"",
        b"null",
        b"file://",
        b"https://evil.example",
        b"https://chat.example.org.evil.example",
        b"https://evilchat.example.org",
        b"https://chat.example.org@evil.example",
        b"https://user@chat.example.org",
        b"http://chat.example.org",
        b"https://chat.example.org:8443",
        b"https://chat.example.org/path",
        b"https://chat.example.org?",
        b"ws://chat.example.org",
        b"javascript://chat.example.org",
        b"https://chat.example.org:99999",
        b"https://chat.example.org:x",
        b"https://ch\xc3\xa4t.example.org",
        b"https://" + b"a" * 8192 + b".example.org",
    ],
)
def test_every_other_page_may_not(origin: bytes) -> None:
    assert not allowed(origin)
    assert not allowed(origin, configured="https://chat.example.org")


def test_no_origin_or_two_origins_may_not() -> None:
    good = b"https://chat.example.org"
    assert not allowed()
    assert not allowed(good, good)
    assert not allowed(b"https://evil.example", good)


def test_a_forged_host_does_not_make_its_own_origin_good() -> None:
    assert not allowed(b"https://evil.example", host=b"evil.example")


def test_ipv6_and_ports_are_compared_whole() -> None:
    assert allowed(b"http://[::1]:8000", host=b"[::1]:8000", scheme="ws")
    assert not allowed(b"http://[::1]:8001", host=b"[::1]:8000", scheme="ws")
