"""What a worker holds in memory of the requests it runs: text and tokens so far, and where replies
go.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from inference import conf
from inference.backends.base import Generation, Started, TextDelta
from inference.engine.sampling_params import SamplingParams
from inference.messages import Context, MessageDelta, RequestRunning
from inference.models import GenerationRequest
from inference.queue.running import Progress


@dataclass
class RunningRequest:
    """One claimed request. `tag` names it to the backend: unlike the id, it is new with every
    attempt.
    """

    key: int
    public_id: str
    attempt: int
    reply_group: str
    context: Context
    claimed_at: datetime
    text: str
    token_ids: list[int]
    first_token_at: datetime | None
    truncated: bool
    prompt_tokens: int = 0
    cached_tokens: int = 0
    slot: int | None = None
    changed: bool = False
    ending: bool = False
    _claimed: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, request: GenerationRequest) -> "RunningRequest":
        """From a row that was claimed just now."""
        assert request.running_since is not None
        return cls(
            key=request.pk,
            public_id=str(request.public_id),
            attempt=request.attempt,
            reply_group=request.reply_group,
            context=request.context,
            claimed_at=request.running_since,
            text=request.output_text,
            token_ids=list(request.output_token_ids),
            first_token_at=request.first_token_at,
            truncated=request.truncated,
        )

    @property
    def tag(self) -> str:
        return f"{self.public_id}.{self.attempt}"

    def generation(self, request: GenerationRequest) -> Generation:
        """What the backend needs to know, the tokens of earlier attempts included."""
        isolated = conf.users_are_isolated()
        return Generation(
            request_id=self.tag,
            messages=request.messages,
            params=SamplingParams.from_dict(request.params),
            output_token_ids=list(self.token_ids),
            output_text=self.text,
            scope=str(request.user_id) if isolated else "",
        )

    def started(self) -> RequestRunning:
        return RequestRunning(self.public_id, self.attempt)

    def begun(self, event: Started) -> None:
        """The backend has its place and its prompt."""
        self.prompt_tokens, self.cached_tokens = event.prompt_tokens, event.cached_tokens
        self.slot = event.slot
        self.truncated = self.truncated or event.truncated
        self.changed = True

    def append(self, text: str, token_ids: list[int]) -> MessageDelta | None:
        """Adds what a step brought; the delta to publish, or None while the text is held back."""
        self.token_ids.extend(token_ids)
        self.changed = True
        if not text:
            return None
        if self.first_token_at is None:
            self.first_token_at = self._now()
        delta = MessageDelta(
            self.public_id, self.attempt, len(self.text), text, context=self.context
        )
        self.text += text
        return delta

    def progress(self) -> Progress:
        return Progress(
            key=self.key,
            attempt=self.attempt,
            text=self.text,
            token_ids=list(self.token_ids),
            prompt_tokens=self.prompt_tokens,
            cached_tokens=self.cached_tokens,
            truncated=self.truncated,
            first_token_at=self.first_token_at,
            slot=self.slot,
        )

    def _now(self) -> datetime:
        # Database time, carried on by this process's monotonic clock: hosts' wall clocks may
        # differ.
        return self.claimed_at + timedelta(seconds=time.monotonic() - self._claimed)


class RunningRequests:
    """The requests that a worker holds, found by key, by public id or by the backend's tag."""

    def __init__(self) -> None:
        self._by_tag: dict[str, RunningRequest] = {}

    def __len__(self) -> int:
        return len(self._by_tag)

    def __iter__(self) -> Iterator[RunningRequest]:
        return iter(list(self._by_tag.values()))

    def add(self, request: RunningRequest) -> None:
        self._by_tag[request.tag] = request

    def discard(self, request: RunningRequest) -> None:
        self._by_tag.pop(request.tag, None)

    def by_tag(self, tag: str) -> RunningRequest | None:
        return self._by_tag.get(tag)

    def answering(self, tag: str) -> RunningRequest | None:
        """None too for one whose end is on its way: nothing more is heard of it."""
        request = self.by_tag(tag)
        return None if request is None or request.ending else request

    def heard(self, event: Started | TextDelta) -> tuple[str, MessageDelta] | None:
        """Notes what the backend says of a request; the delta to publish, and to which group."""
        request = self.answering(event.request_id)
        if request is None:
            return None
        if isinstance(event, Started):
            request.begun(event)
            return None
        delta = request.append(event.text, event.token_ids)
        return None if delta is None else (request.reply_group, delta)

    def by_public_id(self, public_id: str) -> RunningRequest | None:
        return next((one for one in self if one.public_id == public_id), None)

    async def until_empty(self, seconds: float) -> None:
        """Returns after `seconds` at the latest."""
        end = time.monotonic() + seconds
        while self._by_tag and time.monotonic() < end:
            await asyncio.sleep(0.05)

    def take_all(self) -> list[RunningRequest]:
        """Empties the set: whatever the backend still says about them is ignored from here on."""
        taken = list(self)
        self._by_tag.clear()
        return taken

    def take_changed(self) -> list[Progress]:
        """What to checkpoint: what changed since the last call and is not ending."""
        changed = [one for one in self if one.changed and not one.ending]
        for one in changed:
            one.changed = False
        return [one.progress() for one in changed]
