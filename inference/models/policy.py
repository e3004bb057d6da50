"""The limits of the queue: one row, and the quotas of groups of people."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

# The limits that staff change most: they are on the live page.
LIMITS = (
    *("max_running", "max_waiting", "max_running_per_user", "max_waiting_per_user"),
    *("max_new_tokens", "order"),
    *("daily_tokens_staff", "daily_tokens_members", "daily_tokens_guests"),
)


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
    daily_tokens_staff = models.PositiveIntegerField(
        _("tokens a day for staff"), default=0, db_default=0, help_text=_("0 means no limit.")
    )
    daily_tokens_members = models.PositiveIntegerField(
        _("tokens a day for members"), default=0, db_default=0, help_text=_("0 means no limit.")
    )
    daily_tokens_guests = models.PositiveIntegerField(
        _("tokens a day for guests"), default=0, db_default=0, help_text=_("0 means no limit.")
    )
    paused = models.BooleanField(
        _("paused"), default=False, help_text=_("Nothing new starts; what runs goes on.")
    )
    notice = models.CharField(
        _("notice to everybody"),
        max_length=300,
        blank=True,
        db_default="",
        help_text=_("Shown at the top of every chat page. Empty: nothing is shown."),
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


class Queue(QueuePolicy):
    """The queue as a whole, for the admin: its live page and who may watch and steer it."""

    class Meta:
        proxy = True
        default_permissions = ()
        permissions = [
            ("watch_queue", _("Can watch the live queue")),
            ("steer_queue", _("Can steer the live queue")),
        ]
        verbose_name = _("live queue")
        verbose_name_plural = _("live queue")


class GroupQuota(models.Model):
    """What each member of a group of people may use in a day, instead of what their kind may."""

    group = models.OneToOneField(
        "auth.Group", verbose_name=_("group"), on_delete=models.CASCADE, related_name="quota"
    )
    daily_tokens = models.PositiveIntegerField(
        _("tokens a day"), help_text=_("For each member. 0 means no limit.")
    )

    class Meta:
        verbose_name = _("quota of a group")
        verbose_name_plural = _("quotas of groups")

    def __str__(self) -> str:
        return f"{self.group}"
