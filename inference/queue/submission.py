"""Takes a request into the queue, or refuses it and stores nothing."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from inference import conf, signals
from inference.engine.sampling_params import InvalidParams, SamplingParams
from inference.errors import Refused
from inference.models import GenerationRequest, QueuePolicy
from inference.queue.admission import check_admission
from inference.queue.clock import database_now
from inference.queue.policy import Group, locked_policy, priority_of
from inference.queue.quotas import quotas_of_groups, tokens_allowed

ChatMessage = dict[str, str]

ROLES = frozenset({"system", "user", "assistant"})
# Larger than any context here; the worker counts tokens exactly, this only bounds the row.
MAX_PROMPT_BYTES = 512 * 1024
MAX_SEED = 2**63 - 1


@dataclass(frozen=True)
class NewRequest:
    """What somebody asks for. `context` comes back in every reply event, unread; `group` says what
    kind of person asks, as the policy gives each a priority.
    """

    user_id: int
    model: str
    messages: list[ChatMessage]
    params: dict[str, Any]
    reply_group: str
    context: dict[str, Any] = field(default_factory=dict)
    group: Group = Group.MEMBERS


def submit(new: NewRequest) -> GenerationRequest:
    """Stores the request as waiting. Raises `Refused`; ring the doorbell after the commit.

    The signal `rejected` is the caller's to send if a transaction of the caller's is open.
    """
    try:
        return _submit(new)
    except Refused as refused:
        if not connection.in_atomic_block:
            signals.tell_rejected(new.user_id, refused)
        raise


def _submit(new: NewRequest) -> GenerationRequest:
    messages, truncated = _checked_messages(new.messages)
    of_groups = quotas_of_groups(new.user_id)  # nobody has to wait for this one
    with transaction.atomic():
        policy = locked_policy()
        params = _checked_params(new.params, policy)
        check_admission(policy, new.user_id, new.model)
        allowed = tokens_allowed(policy, new.user_id, new.group, of_groups)
        params = _within_quota(params, allowed)
        now = database_now()
        request = GenerationRequest.objects.create(
            user_id=new.user_id,
            model=new.model,
            messages=messages,
            truncated=truncated,
            params=params.to_dict(),
            reply_group=new.reply_group,
            context=new.context,
            priority=priority_of(policy, new.group),
            group=new.group.value,
            submitted_at=now,
            wanted_until=now + timedelta(seconds=conf.WANTED_SECONDS),
        )
        signals.after_commit(signals.queued, request)
        return request


def _checked_params(given: dict[str, Any], policy: QueuePolicy) -> SamplingParams:
    given = {"max_tokens": policy.max_new_tokens, **given}
    try:
        params = SamplingParams.from_dict(given)
    except InvalidParams as error:
        raise Refused("invalid", str(error)) from error
    if params.max_tokens > policy.max_new_tokens:
        raise Refused(
            "invalid",
            _("max_tokens may be at most %(limit)d here.") % {"limit": policy.max_new_tokens},
        )
    if params.seed is None:
        params = replace(params, seed=secrets.randbelow(MAX_SEED))
    return params


def _within_quota(params: SamplingParams, allowed: int | None) -> SamplingParams:
    if allowed is None or params.max_tokens <= allowed:
        return params
    return replace(params, max_tokens=allowed, min_tokens=min(params.min_tokens, allowed))


def _checked_messages(messages: list[ChatMessage]) -> tuple[list[ChatMessage], bool]:
    """The messages, without the oldest turns past the bound, and whether any was left out."""
    if not messages or messages[-1].get("role") != "user":
        raise Refused("invalid", _("The last message of a request must be the user's."))
    if any(message.get("role") not in ROLES for message in messages):
        raise Refused("invalid", _("A message's role must be system, user or assistant."))
    system = [message for message in messages if message["role"] == "system"]
    turns = [message for message in messages if message["role"] != "system"]
    room = MAX_PROMPT_BYTES - sum(map(_size, system))
    kept: list[ChatMessage] = []
    for message in reversed(turns):
        room -= _size(message)
        if room < 0:
            break
        kept.insert(0, message)
    if not kept:
        raise Refused("too_long", _("This message is too long. Shorten it and send it again."))
    return system + kept, len(kept) < len(turns)


def _size(message: ChatMessage) -> int:
    return len(message["content"].encode())
