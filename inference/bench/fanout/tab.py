"""A WebSocket client that costs little, so that a thousand of them leave the server its CPU.

Owns framing and what a browser does by itself; knows no request and measures nothing.
"""

from __future__ import annotations

import asyncio
import base64
import os
import struct
from collections.abc import Callable

TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
OPEN_SECONDS = 60.0


class Tab(asyncio.Protocol):
    """Made by `open_tab`. `on_text` gets each frame as it came."""

    def __init__(self, request: bytes, on_text: Callable[[bytes], None]) -> None:
        self._request = request
        self._on_text = on_text
        self._data = bytearray()
        self._transport: asyncio.Transport | None = None
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_closed = False

    def send(self, text: bytes) -> None:
        self._write(TEXT, text)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- asyncio calls these ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.opened.done():
            head, found, rest = self._data.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self.opened.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._data = bytearray(rest)
            self.opened.set_result(None)
        while self._take_frame():
            pass

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closed = True
        if not self.opened.done():
            self.opened.set_exception(ConnectionError("The server closed the connection."))

    # --- Frames ---

    def _take_frame(self) -> bool:
        """Handles one whole frame; a server's are neither masked nor, here, fragmented."""
        data = self._data
        if len(data) < 2:
            return False
        start, size = 2, data[1] & 0x7F
        if size == 126:
            start, size = 4, int.from_bytes(data[2:4], "big")
        elif size == 127:
            start, size = 10, int.from_bytes(data[2:10], "big")
        if len(data) < start + size:
            return False
        kind, payload = data[0] & 0x0F, bytes(data[start : start + size])
        del data[: start + size]
        self._handle(kind, payload)
        return True

    def _handle(self, kind: int, payload: bytes) -> None:
        if kind == TEXT:
            self._on_text(payload)
        elif kind == PING:
            self._write(PONG, payload)
        elif kind == CLOSE:
            self.is_closed = True

    def _write(self, kind: int, payload: bytes) -> None:
        if self._transport is None or self.is_closed:
            return
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | kind, 0x80 | size)
        elif size < 65_536:
            head = struct.pack("!BBH", 0x80 | kind, 0xFE, size)
        else:
            head = struct.pack("!BBQ", 0x80 | kind, 0xFF, size)
        # A mask of zeros is a mask, and leaves the payload as it is.
        self._transport.write(head + b"\0\0\0\0" + payload)


async def open_tab(host: str, port: int, cookie: str, on_text: Callable[[bytes], None]) -> Tab:
    request = (
        f"GET /ws/chat/ HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}\r\n"
        f"Origin: http://{host}:{port}\r\nCookie: {cookie}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(OPEN_SECONDS):
        _, tab = await loop.create_connection(lambda: Tab(request.encode(), on_text), host, port)
        await tab.opened
    return tab
