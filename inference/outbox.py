"""What is about to be published: text that comes faster than readers need it is put together.

Owns the order and the pace: the first text of a quiet request goes out at once, then at most one
piece every 30 ms, and less often while many requests stream, because one web process can write only
so many frames a second. Bounded: too much text is dropped, since the row has it and readers ask for
what they miss; what else happened is kept. Pure: knows no event loop and no channel layer.
"""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from inference.messages import MessageDelta, MessageFinished, ReplyEvent, RequestWaiting

logger = logging.getLogger(__name__)

Addressed = tuple[str, ReplyEvent]

SHORTEST_INTERVAL = 0.030
# Daphne writes about 4,000 frames a second; beyond this the others of its work would wait.
FRAMES_PER_SECOND = 3_000
# A web process writes so many in one go without a pause that others would feel.
BURST_FRAMES = 60
# A request whose last piece went out this long ago does not count as streaming.
STREAMING_SECONDS = 1.0
MAX_TEXT = 1_000_000
MAX_NEWS = 10_000


@dataclass
class _Growing:
    """Deltas of one request that follow one another, to go out as one."""

    group: str
    first: MessageDelta
    parts: list[str]
    end: int

    def takes(self, group: str, delta: MessageDelta) -> bool:
        return (
            group == self.group and delta.attempt == self.first.attempt and delta.offset == self.end
        )

    def grow(self, text: str) -> None:
        self.parts.append(text)
        self.end += len(text)

    def event(self) -> Addressed:
        return self.group, replace(self.first, text="".join(self.parts))


class Outbox:
    """Events in, batches out. A batch is in order for each request."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._news: list[Addressed] = []  # to go out at once
        self._growing: dict[str, _Growing] = {}
        self._sent_at: dict[str, float] = {}  # request → its last piece
        self._text_from = float("-inf")  # no text goes out before this time
        self._text = 0
        self.dropped = 0  # pieces of text, in all

    @property
    def is_empty(self) -> bool:
        return not self._news and not self._growing

    @property
    def interval(self) -> float:
        """Seconds between two pieces of one request."""
        return max(SHORTEST_INTERVAL, len(self._sent_at) / FRAMES_PER_SECOND)

    def add(self, group: str, event: ReplyEvent) -> None:
        if isinstance(event, MessageDelta):
            self._add_text(group, event)
        else:
            self._finish_text(event.request)
            self._news.append((group, event))
            if isinstance(event, MessageFinished):
                self._sent_at.pop(event.request, None)
        self._keep_bounds()

    def seconds_to_wait(self) -> float | None:
        """Until there is something to take; None: until something is added."""
        if self._news:
            return 0.0
        if not self._growing:
            return None
        soonest = min(map(self._due_at, self._growing))
        return max(0.0, max(soonest, self._text_from) - self._clock())

    def take(self) -> list[Addressed]:
        """What is to go out now."""
        now = self._clock()
        batch, self._news = self._news, []
        for request in self._due(now):
            batch.append(self._growing.pop(request).event())
            self._sent_at[request] = now
        self._text = sum(growing.end - growing.first.offset for growing in self._growing.values())
        self._sent_at = {
            request: at for request, at in self._sent_at.items() if now - at <= STREAMING_SECONDS
        }
        return batch

    def give_back(self, batch: Iterable[Addressed]) -> None:
        """A batch that did not go out. Its text is dropped; the rest comes first next time."""
        self._news[:0] = self._without_text(batch)
        self._keep_bounds()

    def _add_text(self, group: str, delta: MessageDelta) -> None:
        self._text += len(delta.text)
        growing = self._growing.get(delta.request)
        if growing is not None and growing.takes(group, delta):
            growing.grow(delta.text)
            return
        self._finish_text(delta.request)  # of an older attempt, or before a hole
        end = delta.offset + len(delta.text)
        self._growing[delta.request] = _Growing(group, delta, [delta.text], end)

    def _finish_text(self, request: str) -> None:
        growing = self._growing.pop(request, None)
        if growing is not None:
            self._news.append(growing.event())

    def _due(self, now: float) -> list[str]:
        """Whose text goes out now: who waits longest first, and no more than one burst."""
        if now < self._text_from:
            return []
        due = [request for request in self._growing if self._due_at(request) <= now]
        due.sort(key=self._due_at)
        if len(due) > BURST_FRAMES:
            self._text_from = now + BURST_FRAMES / FRAMES_PER_SECOND
        return due[:BURST_FRAMES]

    def _due_at(self, request: str) -> float:
        return self._sent_at.get(request, float("-inf")) + self.interval

    def _keep_bounds(self) -> None:
        if self._text > MAX_TEXT:
            self.dropped += len(self._growing)
            self._growing.clear()
            self._text = 0
            self._news = self._without_text(self._news)
        if len(self._news) > MAX_NEWS:
            self._news = _newest_places(self._without_text(self._news))
            if len(self._news) > MAX_NEWS:
                logger.warning("Too much could not be published; the oldest news are dropped.")
                del self._news[: len(self._news) - MAX_NEWS // 2]

    def _without_text(self, batch: Iterable[Addressed]) -> list[Addressed]:
        events = list(batch)
        kept = [one for one in events if not isinstance(one[1], MessageDelta)]
        self.dropped += len(events) - len(kept)
        return kept


def _newest_places(events: list[Addressed]) -> list[Addressed]:
    """Only the last place of each request; everything else stays."""
    last = {event.request: event for _, event in events if isinstance(event, RequestWaiting)}
    return [
        (group, event)
        for group, event in events
        if not isinstance(event, RequestWaiting) or last[event.request] is event
    ]
