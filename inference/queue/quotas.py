"""How many tokens a person may still use today.

A quota counts what the engine computes for somebody: prompt tokens that were not in its memory yet,
and tokens of answers. Knows people by key, and the groups that they are in.
"""

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BigIntegerField, Case, ExpressionWrapper, F, Q, Sum, TextField, When
from django.db.models.fields.json import KT
from django.db.models.functions import Cast, Greatest, Length
from django.utils.translation import gettext as _

from inference.errors import Refused
from inference.models import GenerationRequest, GroupQuota, QueuePolicy
from inference.queue.clock import database_now
from inference.queue.days import day_of, next_day, start_of
from inference.queue.pace import service_seconds
from inference.queue.policy import Group, current_policy


@dataclass(frozen=True)
class Quota:
    """Somebody's tokens of today. `held`: what was used, and what active requests may still use."""

    limit: int
    used: int
    held: int
    resets_at: datetime

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)

    @property
    def free(self) -> int:
        """What a new request may take."""
        return max(0, self.limit - self.held)

    @property
    def resets_in_words(self) -> str:
        return f"{self.resets_at:%H:%M %Z}"


def quota_today(user_id: int, group: Group) -> Quota | None:
    """As things stand, for people to see; None for somebody without a limit."""
    limit = _daily_limit(current_policy(), group, quotas_of_groups(user_id))
    return _quota(limit, user_id, database_now()) if limit else None


def tokens_allowed(
    policy: QueuePolicy, user_id: int, group: Group, of_groups: list[int]
) -> int | None:
    """What a new request may take; None means any number. Raises `Refused` when nothing is left.

    Under the policy lock nobody else's submit comes in between, so several at once cannot take the
    same tokens.
    """
    limit = _daily_limit(policy, group, of_groups)
    if not limit:
        return None
    now = database_now()
    quota = _quota(limit, user_id, now)
    if quota.free:
        return quota.free
    raise _refusal(quota, now)


def _refusal(quota: Quota, now: datetime) -> Refused:
    if quota.left:
        return Refused(
            "quota",
            _(
                "What is left of your tokens for today (%(left)s of %(limit)s) is kept for your "
                "answers that are on their way. Try again when they have ended."
            )
            % {"left": f"{quota.left:,}", "limit": f"{quota.limit:,}"},
            float(math.ceil(service_seconds())),
        )
    return Refused(
        "quota",
        _("Your tokens for today are used up (%(used)s of %(limit)s). They come back at %(time)s.")
        % {
            "used": f"{quota.used:,}",
            "limit": f"{quota.limit:,}",
            "time": quota.resets_in_words,
        },
        float(math.ceil((quota.resets_at - now).total_seconds())),
    )


def quotas_of_groups(user_id: int) -> list[int]:
    """What the groups that the person is in allow each of their members."""
    quotas = GroupQuota.objects.filter(group__user=user_id)
    return list(quotas.values_list("daily_tokens", flat=True))


def _daily_limit(policy: QueuePolicy, group: Group, of_groups: list[int]) -> int:
    """The highest of the person's groups, else that of their kind; 0 means no limit."""
    if of_groups:
        return 0 if 0 in of_groups else max(of_groups)
    of_kinds = {
        Group.STAFF: policy.daily_tokens_staff,
        Group.MEMBERS: policy.daily_tokens_members,
        Group.GUESTS: policy.daily_tokens_guests,
    }
    return of_kinds[group]


def _quota(limit: int, user_id: int, now: datetime) -> Quota:
    day = day_of(now)
    mine = GenerationRequest.objects.filter(user_id=user_id)
    todays = mine.filter(Q(ended_at__gte=start_of(day)) | Q(ended_at__isnull=True))
    # One statement: a request that ends meanwhile is seen as active or as ended, never as neither.
    sums = todays.aggregate(used=Sum(_COMPUTED), held=Sum(_MAY_TAKE))
    return Quota(limit, sums["used"] or 0, sums["held"] or 0, start_of(next_day(day)))


_PROMPT = F("prompt_tokens") - F("cached_tokens")
_COMPUTED = ExpressionWrapper(_PROMPT + F("completion_tokens"), BigIntegerField())


class _Bytes(Length):
    """Of a text in the database's encoding; in SQLite JSON is ASCII anyway."""

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="OCTET_LENGTH", **context)


# A prompt that no worker has counted yet has no more tokens than bytes.
_PROMPT_AT_MOST = Case(
    When(prompt_tokens=0, then=_Bytes(Cast("messages", TextField()))),
    default=_PROMPT,
    output_field=BigIntegerField(),
)
_ANSWER_AT_MOST = Greatest(
    Cast(KT("params__max_tokens"), BigIntegerField()),
    F("completion_tokens"),
    output_field=BigIntegerField(),
)
_MAY_TAKE = Case(
    When(ended_at__isnull=True, then=_PROMPT_AT_MOST + _ANSWER_AT_MOST),
    default=_COMPUTED,
    output_field=BigIntegerField(),
)
