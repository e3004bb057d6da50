"""One row for every answer that is asked for."""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inference.errors import IllegalTransition
from inference.messages import MessageFinished
from inference.metrics import timings_of
from inference.models.workers import WorkerNode

# Sampling params that people write themselves: no figures, but texts like the prompt.
TEXT_PARAMS = ("stop", "logit_bias")


class GenerationRequest(models.Model):
    """One answer to be made: the durable truth about it from the click to the last token."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        FINISHED = "finished", _("finished")
        ABORTED = "aborted", _("aborted")
        FAILED = "failed", _("failed")

    NEXT_STATES: dict[str, frozenset[str]] = {
        State.WAITING: frozenset({State.RUNNING, State.ABORTED, State.FAILED}),
        State.RUNNING: frozenset({State.WAITING, State.FINISHED, State.ABORTED, State.FAILED}),
        State.FINISHED: frozenset(),
        State.ABORTED: frozenset(),
        State.FAILED: frozenset(),
    }

    # The key grows in the order of arrival (submits hold the policy row), so it is the FIFO order.
    id = models.BigAutoField(primary_key=True)
    public_id = models.UUIDField(_("public id"), default=uuid.uuid4, unique=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="generation_requests",
        db_index=False,  # `request_user` is that index
    )
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.WAITING
    )
    priority = models.SmallIntegerField(_("priority"), default=0)
    # The kind of person at the time (`queue.policy.Group`); '' for rows of older versions.
    group = models.CharField(
        _("group"), max_length=10, blank=True, db_default="", db_column="person_group"
    )

    model = models.CharField(_("model"), max_length=200, blank=True)
    messages = models.JSONField(_("messages"))
    params = models.JSONField(_("sampling params"))
    reply_group = models.CharField(_("reply group"), max_length=100)
    context = models.JSONField(default=dict, blank=True)

    worker = models.ForeignKey(
        WorkerNode,
        verbose_name=_("worker"),
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="requests",
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    slot = models.PositiveSmallIntegerField(_("slot"), null=True, blank=True)
    running_since = models.DateTimeField(_("claimed by this worker"), null=True, blank=True)
    abort_requested = models.BooleanField(_("abort requested"), default=False)
    wanted_until = models.DateTimeField(_("wanted until"), null=True, blank=True)

    # Of the poison rule (`inference.queue.poison`). A suspect runs alone.
    suspect = models.BooleanField(_("runs alone"), default=False, db_default=False)
    deaths = models.PositiveSmallIntegerField(_("engines that died on it"), default=0, db_default=0)
    tokens_at_claim = models.PositiveIntegerField(default=0, db_default=0, editable=False)

    output_text = models.TextField(blank=True)
    # Ids in the vocabulary of the model that made them, which `vocabulary` names.
    output_token_ids = models.JSONField(default=list, blank=True)
    vocabulary = models.CharField(max_length=64, blank=True, db_default="", editable=False)

    finish_reason = models.CharField(_("finish reason"), max_length=10, blank=True)
    code = models.CharField(_("error code"), max_length=40, blank=True)
    detail = models.TextField(_("error text"), blank=True)
    truncated = models.BooleanField(_("older turns left out"), default=False)
    prompt_tokens = models.PositiveIntegerField(_("prompt tokens"), default=0)
    cached_tokens = models.PositiveIntegerField(_("cached tokens"), default=0)
    completion_tokens = models.PositiveIntegerField(_("completion tokens"), default=0)

    submitted_at = models.DateTimeField(_("submitted"))
    claimed_at = models.DateTimeField(_("claimed"), null=True, blank=True)
    first_token_at = models.DateTimeField(_("first token"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)

    class Meta:
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        permissions = [("read_texts", _("Can read what people ask and are answered"))]
        # The queue is small, its history is not: no query of the queue walks through the history.
        # The conditions have no values in them, so that SQLite sees in any query that they apply.
        indexes = [
            models.Index(
                # In the order in which the window of `ordering` counts, with all that it reads
                # (for SQLite that includes what the condition reads).
                fields=[
                    "user",
                    "state",
                    "-priority",
                    "id",
                    "submitted_at",
                    "model",
                    "suspect",
                    "ended_at",
                ],
                name="request_active",
                condition=Q(ended_at__isnull=True),
            ),
            models.Index(
                fields=["priority", "id", "user", "model", "ended_at", "lease_until"],
                name="request_waiting",
                condition=Q(ended_at__isnull=True, lease_until__isnull=True),
            ),
            models.Index(
                fields=["worker", "lease_until"],
                name="request_running",
                condition=Q(lease_until__isnull=False),
            ),
            models.Index(fields=["user", "ended_at"], name="request_user"),
            models.Index(  # when somebody's last answer ended
                fields=["user", "ended_at"],
                name="request_served",
                condition=Q(ended_at__isnull=False, claimed_at__isnull=False),
            ),
            models.Index(
                fields=["-ended_at"], name="request_ended", condition=Q(ended_at__isnull=False)
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"], ended_at__isnull=True)
                | Q(state__in=["finished", "aborted", "failed"], ended_at__isnull=False),
                name="over_means_ended",
            ),
            models.CheckConstraint(
                condition=Q(state="running", lease_until__isnull=False)
                | (~Q(state="running") & Q(lease_until__isnull=True)),
                name="running_means_leased",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.public_id} ({self.state})"

    @property
    def is_over(self) -> bool:
        return not self.NEXT_STATES[self.state]

    def move_to(self, state: str) -> None:
        """Changes the state, or raises `IllegalTransition`. Does not save."""
        if state not in self.NEXT_STATES[self.state]:
            raise IllegalTransition(self.state, state)
        self.state = state

    def usage(self) -> dict[str, int]:
        """Token counts, as in protocol §5."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "cached_tokens": self.cached_tokens,
            "completion_tokens": self.completion_tokens,
        }

    def timings(self) -> dict[str, float | None]:
        """Seconds, by the definitions of `inference.metrics`; None for what did not happen."""
        return timings_of(self)


def finished_event(request: GenerationRequest) -> MessageFinished:
    """The last event of an ended request."""
    return MessageFinished(
        request=str(request.public_id),
        length=len(request.output_text),
        finish_reason=request.finish_reason,
        truncated=request.truncated,
        usage=request.usage(),
        timings=request.timings(),
        code=request.code or None,
        detail=request.detail or None,
        context=request.context,
    )


def as_public_id(value: Any) -> uuid.UUID | None:
    """The id as the database knows it, or None for what cannot be one."""
    try:
        return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))
    except ValueError:
        return None
