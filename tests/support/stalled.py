"""A tab that stops reading, like one that is stopped in a debugger: its socket stays open."""

import base64
import os
import socket
from urllib.parse import urlsplit

from tests.support.client import Person

RECEIVE_BUFFER = 4_096


def open_and_stop_reading(person: Person) -> socket.socket:
    """Another socket of this person's session, of which nothing is read after the handshake."""
    address = urlsplit(person.url)
    stopped = socket.socket()
    stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    stopped.connect((address.hostname, address.port))
    stopped.sendall(_handshake(person, address.netloc))
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += stopped.recv(1)
    assert answer.startswith(b"HTTP/1.1 101"), answer
    return stopped


def _handshake(person: Person, host: str) -> bytes:
    cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in person.http.cookies.jar)
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        "GET /ws/chat/ HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        f"Origin: {person.url}",
        f"Cookie: {cookies}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()
