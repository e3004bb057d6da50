"""A request's time in phases: queued, prefill, tokens. Pure; `now` ends what still goes on.

queued: submitted → first claimed. prefill: claimed → first token. tokens: first token → end.
"""

from dataclasses import dataclass
from datetime import datetime

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inference.admin.shown import moment, seconds
from inference.metrics import seconds_between
from inference.models import GenerationRequest

WIDTH = 1000
_NARROWEST = 3

_NAMES: dict[str, str | Promise] = {
    "queued": gettext_lazy("Queued"),
    "prefill": gettext_lazy("Prefill"),
    "tokens": gettext_lazy("Tokens"),
}


@dataclass(frozen=True)
class Phase:
    """One bar: where it lies on a line of `WIDTH`, and what it says."""

    kind: str
    begin: datetime
    end: datetime
    goes_on: bool
    x: int
    width: int

    @property
    def name(self) -> str:
        return str(_NAMES[self.kind])

    @property
    def begin_words(self) -> str:
        return moment(self.begin) or ""

    @property
    def end_words(self) -> str:
        return _("until now") if self.goes_on else moment(self.end) or ""

    @property
    def length_words(self) -> str:
        return seconds(seconds_between(self.begin, self.end)) or ""


@dataclass(frozen=True)
class Timeline:
    phases: list[Phase]
    notes: list[str]

    @property
    def summary(self) -> str:
        """The picture in words."""
        return ", ".join(f"{phase.name} {phase.length_words}" for phase in self.phases)

    @property
    def total_words(self) -> str:
        return seconds(seconds_between(self.phases[0].begin, self.phases[-1].end)) or ""


def timeline_of(request: GenerationRequest, now: datetime) -> Timeline:
    """Of a request in any state; phases that it did not reach are left out."""
    marks = [
        ("queued", request.submitted_at),
        ("prefill", request.claimed_at),
        ("tokens", request.first_token_at),
    ]
    begun = [(kind, begin) for kind, begin in marks if begin is not None]
    end = request.ended_at or now
    ends = [begin for _kind, begin in begun[1:]] + [end]
    whole = max(seconds_between(request.submitted_at, end) or 0.0, 0.001)
    phases = []
    for (kind, begin), until in zip(begun, ends, strict=True):
        goes_on = until is end and not request.is_over
        phases.append(_phase(kind, begin, until, goes_on, request.submitted_at, whole))
    return Timeline(phases, _notes(request))


def _phase(
    kind: str, begin: datetime, end: datetime, goes_on: bool, zero: datetime, whole: float
) -> Phase:
    x = round(WIDTH * (seconds_between(zero, begin) or 0.0) / whole)
    width = round(WIDTH * (seconds_between(begin, end) or 0.0) / whole)
    x = min(x, WIDTH - _NARROWEST)
    return Phase(kind, begin, end, goes_on, x, max(_NARROWEST, min(width, WIDTH - x)))


def _notes(request: GenerationRequest) -> list[str]:
    notes = []
    if request.is_over and request.claimed_at is None:
        notes.append(_("It ended in the queue: no worker ever had it."))
    if request.state == request.State.WAITING and request.attempt:
        notes.append(
            _("It waits again, with the text that it has, after attempt %(attempt)d.")
            % {"attempt": request.attempt}
        )
    elif request.attempt > 1 and request.running_since is not None:
        values = {"attempt": request.attempt, "time": moment(request.running_since)}
        notes.append(_("Attempt %(attempt)d began at %(time)s.") % values)
    return notes
