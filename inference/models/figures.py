"""Figures that outlast what they tell of: samples of the queue, usage, totals of metrics."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class QueueSample(models.Model):
    """How the queue stood at one moment; `queue.samples` writes one every few seconds.

    Percentiles in seconds, of what began in the minute before; None where nothing did.
    """

    at = models.DateTimeField(unique=True)
    waiting = models.PositiveIntegerField()
    running = models.PositiveIntegerField()
    places = models.PositiveIntegerField()
    tokens_per_s = models.FloatField()
    queue_p50 = models.FloatField(null=True)
    queue_p95 = models.FloatField(null=True)
    ttft_p50 = models.FloatField(null=True)
    ttft_p95 = models.FloatField(null=True)

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.at}"


class UsageDay(models.Model):
    """What one person used of one model on one day, of requests that are pruned from the history.

    Of later days the history itself tells; `queue.usage` adds the two.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="usage_days",
    )
    day = models.DateField(_("day"))
    model = models.CharField(_("model"), max_length=200, blank=True)
    group = models.CharField(_("group"), max_length=10, blank=True, db_column="person_group")
    requests = models.PositiveIntegerField(_("requests"), default=0)
    prompt_tokens = models.PositiveBigIntegerField(_("prompt tokens"), default=0)
    cached_tokens = models.PositiveBigIntegerField(_("cached tokens"), default=0)
    completion_tokens = models.PositiveBigIntegerField(_("completion tokens"), default=0)
    queue_seconds = models.FloatField(_("seconds waited"), default=0.0)

    class Meta:
        verbose_name = _("usage")
        verbose_name_plural = _("usage")
        default_permissions = ("view",)
        constraints = [
            models.UniqueConstraint(
                fields=["user", "day", "model", "group"], name="one_usage_row_a_day"
            )
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"


class MetricTotal(models.Model):
    """One series of `/metrics`, summed over every process; `telemetry.store` adds to it."""

    name = models.CharField(max_length=80)
    labels = models.CharField(max_length=400, blank=True)
    value = models.FloatField(default=0.0)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["name", "labels"], name="one_metric_row")]

    def __str__(self) -> str:
        return f"{self.name}{{{self.labels}}}"
