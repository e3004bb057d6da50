"""The poison rule: a request that kills engines must not take the others down with it again.

What ran together when an engine died is suspect and runs alone from then on, one at a time. A death
counts against a request that ran alone or had gained nothing since its claim; after `MAX_DEATHS`
such deaths it ends.

A worker that vanished as a whole (its lease ran out) says less: machines are switched off and
processes killed for reasons of their own. Then only a request that had gained nothing is suspect,
and a death counts only against one that also ran alone.
"""

from collections.abc import Sequence

from django.utils.translation import gettext as _

from inference.models import GenerationRequest
from inference.queue.ending import end

MAX_DEATHS = 2


def engine_died_on(together: Sequence[GenerationRequest]) -> None:
    """Notes who ran when an engine died. Does not save."""
    alone = len(together) == 1
    for request in together:
        request.suspect = True
        if alone or not _gained(request):
            request.deaths += 1


def worker_vanished_with(together: Sequence[GenerationRequest]) -> None:
    """Notes who ran on a worker whose lease ran out. Does not save."""
    alone = len(together) == 1
    for request in together:
        if _gained(request):
            continue
        request.suspect = True
        if alone:
            request.deaths += 1


def end_if_poison(request: GenerationRequest) -> bool:
    """Ends a request that has killed too often; whether it did. In the caller's transaction."""
    if request.deaths < MAX_DEATHS:
        return False
    end(
        request,
        "failed",
        "engine_died",
        _("The model stopped %(deaths)d times while it answered this, so it was given up.")
        % {"deaths": request.deaths},
    )
    return True


def _gained(request: GenerationRequest) -> bool:
    return request.completion_tokens > request.tokens_at_claim
