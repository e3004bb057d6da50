"""Workers, as they tell of themselves, and which of them keeps house."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _


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
    accepts = models.BooleanField(
        _("takes requests"),
        default=True,
        db_default=True,
        help_text=_("Off: what runs here goes on, and nothing new starts."),
    )
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
