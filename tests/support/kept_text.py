"""The text of one request, kept whole by the rules of docs/protocol.md; no socket, no clock."""

from typing import Any

Event = dict[str, Any]


class KeptText:
    """Holds what comes after a gap, forgets what comes twice, follows a new attempt."""

    def __init__(self) -> None:
        self.text = ""
        self.end: Event | None = None
        self._attempt = 0
        self._held: dict[int, str] = {}

    def take(self, event: Event) -> None:
        """One `message.delta` or `message.finished` of this request."""
        if event["type"] == "message.finished":
            self.end = event
        elif event["type"] == "message.delta" and event["attempt"] >= self._attempt:
            if event["attempt"] > self._attempt:
                self._attempt = event["attempt"]
                self.text = self.text[: event["offset"]]
                self._held.clear()
            self._held[event["offset"]] = event["text"]
            self._use_held()

    @property
    def is_whole(self) -> bool:
        return self.end is not None and self.end["length"] == len(self.text)

    @property
    def misses_something(self) -> bool:
        """True when only `request.sync` can bring what is missing, as far as is known."""
        return bool(self._held) or (self.end is not None and not self.is_whole)

    def _use_held(self) -> None:
        for offset in sorted(self._held):
            if offset > len(self.text):
                break
            self.text += self._held.pop(offset)[len(self.text) - offset :]
