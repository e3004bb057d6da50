"""How much text one socket may have on its way: what was sent, and what its client says it has.

A server may write to a client that does not read, and Daphne keeps all of it in memory. So text
waits for nobody here: beyond the window it is not sent at all, and the client asks for it later.
Knows no frames and no sockets.
"""

import time
from collections import deque
from collections.abc import Callable

WINDOW_BYTES = 262_144


class SendWindow:
    """Bytes of text sent to a socket and not acknowledged yet.

    What a socket reads it reads in order: a client that has one piece has all that were sent
    before it, of whatever request.
    """

    def __init__(
        self, limit: int = WINDOW_BYTES, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = limit
        self._clock = clock
        self._pieces: deque[tuple[str, int, int]] = deque()  # request, where it ends, bytes
        self._bytes = 0
        self._full_since: float | None = None

    @property
    def has_room(self) -> bool:
        return self._bytes < self._limit

    def sent(self, request: str, end: int, size: int) -> None:
        """A piece of text went out; `end`: the code points up to and with it."""
        self._pieces.append((request, end, size))
        self._bytes += size
        if not self.has_room and self._full_since is None:
            self._full_since = self._clock()

    def acked(self, request: str, offset: int) -> None:
        """The client has received the piece of this request that ends at `offset`."""
        read = self._position(request, offset) + 1
        for _ in range(read):
            self._bytes -= self._pieces.popleft()[2]
        if read:
            self._full_since = None if self.has_room else self._clock()

    def seconds_stalled(self) -> float:
        """How long it has been full without a word that something was read."""
        return 0.0 if self._full_since is None else self._clock() - self._full_since

    def _position(self, request: str, offset: int) -> int:
        """Of the piece that ends there; else of the last one before it, -1 if there is none."""
        found = -1
        for position, (name, end, _size) in enumerate(self._pieces):
            if name == request and end <= offset:
                found = position
                if end == offset:
                    break
        return found
