"""The rows of the request queue: requests, workers and the policy. `inference.queue` alone changes
states.

Knows users by key only, and nothing of conversations or pages.

A new column that may not be null gets a default of the database: while a site is upgraded,
processes of the last version still write these rows.
"""

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from inference.errors import IllegalTransition
from inference.messages import MessageFinished
from inference.metrics import timings_of


class WorkerNode(models.Model):
    """One worker process and what it last said of itself."""

    class State(models.TextChoices):
        STARTING = "starting", _("starting")
        READY = "ready", _("ready")
        DRAINING = "draining", _("draining")
        STOPPED = "stopped", _("stopped")

    name = models.CharField(_("name"), max_length=120, unique=True)
    host = models.CharField(_("host"), max_length=80)
    pid = models.PositiveIntegerField(_("process"))
    # With the process number, what `inference.liveness` needs to see that it is gone.
    machine = models.CharField(max_length=120, blank=True, db_default="", editable=False)
    birth = models.BigIntegerField(default=0, db_default=0, editable=False)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.STARTING
    )
    detail = models.CharField(_("detail"), max_length=200, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    engine = models.CharField(_("engine"), max_length=20, blank=True)
    device = models.CharField(_("device"), max_length=80, blank=True)
    dtype = models.CharField(_("dtype"), max_length=20, blank=True)
    slots = models.PositiveIntegerField(_("slots"), default=0)
    max_model_len = models.PositiveIntegerField(_("context length"), default=0)
    runner = models.CharField(_("runner"), max_length=20, blank=True)
    # A fingerprint of what the model's token ids stand for.
    vocabulary = models.CharField(max_length=64, blank=True, db_default="", editable=False)
    figures = models.JSONField(
        _("engine figures"), default=dict, help_text=_("Defined in inference/metrics.py.")
    )
    started_at = models.DateTimeField(_("started"))
    heartbeat_at = models.DateTimeField(_("last heartbeat"), db_index=True)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")

    def __str__(self) -> str:
        return self.name


class QueuePolicy(models.Model):
    """The one row of limits, edited in the admin and applied live. Zero means no limit, except for
    N, Q and the length of answers.
    """

    class Order(models.TextChoices):
        FAIR = "fair", _("everybody in turn")
        FIFO = "fifo", _("first come, first served")

    max_running = models.PositiveIntegerField(
        _("running at once"), help_text=_("N: how many requests a worker decodes together.")
    )
    max_waiting = models.PositiveIntegerField(
        _("waiting at most"),
        help_text=_("Q: how many may wait before the site says that it is full."),
    )
    max_running_per_user = models.PositiveIntegerField(
        _("running per user"), help_text=_("0 means no limit.")
    )
    max_waiting_per_user = models.PositiveIntegerField(
        _("waiting per user"), help_text=_("0 means no limit.")
    )
    max_new_tokens = models.PositiveIntegerField(_("tokens per answer at most"))
    order = models.CharField(_("order"), max_length=10, choices=Order.choices, default=Order.FAIR)
    priority_staff = models.SmallIntegerField(
        _("priority of staff"), default=2, db_default=2, help_text=_("Higher goes first.")
    )
    priority_members = models.SmallIntegerField(_("priority of members"), default=1, db_default=1)
    priority_guests = models.SmallIntegerField(_("priority of guests"), default=0, db_default=0)
    ageing_seconds = models.PositiveIntegerField(
        _("seconds per step of priority"),
        default=60,
        db_default=60,
        help_text=_(
            "Whoever has waited this long goes up by one, as far as the highest of these. 0: never."
        ),
    )
    max_waiting_seconds = models.PositiveIntegerField(
        _("seconds waiting at most"), default=0, db_default=0, help_text=_("0 means no limit.")
    )
    max_running_seconds = models.PositiveIntegerField(
        _("seconds running at most"),
        default=0,
        db_default=0,
        help_text=_("What is written by then stays. 0 means no limit."),
    )
    paused = models.BooleanField(
        _("paused"), default=False, help_text=_("Nothing new starts; what runs goes on.")
    )

    class Meta:
        verbose_name = _("queue policy")
        verbose_name_plural = _("queue policy")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_policy_row")]

    def __str__(self) -> str:
        return f"N={self.max_running} Q={self.max_waiting}"

    @property
    def top_priority(self) -> int:
        """The highest that ageing lifts anybody to: equal to all, never above anybody."""
        return max(self.priority_staff, self.priority_members, self.priority_guests)


class HousekeeperLease(models.Model):
    """One row: which worker keeps house, and until when; `queue.housekeeping` writes it."""

    holder = models.CharField(_("holder"), max_length=120, blank=True)
    until = models.DateTimeField(_("until"))

    class Meta:
        verbose_name = _("housekeeper")
        verbose_name_plural = _("housekeeper")
        constraints = [models.CheckConstraint(condition=Q(pk=1), name="one_housekeeper_row")]

    def __str__(self) -> str:
        return self.holder


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
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
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

    model = models.CharField(_("model"), max_length=200, blank=True)
    messages = models.JSONField(_("messages"))
    params = models.JSONField(_("sampling params"))
    reply_group = models.CharField(_("reply group"), max_length=100)
    context = models.JSONField(default=dict, blank=True)

    worker = models.ForeignKey(
        WorkerNode, on_delete=models.SET_NULL, null=True, blank=True, related_name="requests"
    )
    attempt = models.PositiveIntegerField(_("attempt"), default=0)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
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
        # The queue is small, its history is not: no query of the queue walks through the history.
        # The conditions have no values in them, so that SQLite sees in any query that they apply.
        indexes = [
            models.Index(
                # In the order in which the window of `ordering` counts, with all that it reads
                # (for SQLite that includes what the condition reads).
                fields=[
                    "user",
                    "state",
                    "id",
                    "priority",
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
