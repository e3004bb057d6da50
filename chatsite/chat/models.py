"""Conversations and their messages. Knows nothing of tokens, models or places in the queue."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

TITLE_LENGTH = 80


class Conversation(models.Model):
    """A person's conversation: a tree of messages, of which the page shows one path."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="conversations"
    )
    title = models.CharField(_("title"), max_length=TITLE_LENGTH, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("conversation")
        verbose_name_plural = _("conversations")
        indexes = [models.Index(fields=["user", "-updated_at"])]

    def __str__(self) -> str:
        return f"{self.id}"


class Message(models.Model):
    """One turn. Regenerating makes a sibling answer, editing a sibling question: nothing is
    overwritten.
    """

    class Role(models.TextChoices):
        USER = "user", _("user")
        ASSISTANT = "assistant", _("assistant")

    class State(models.TextChoices):
        COMPLETE = "complete", _("complete")
        GENERATING = "generating", _("being written")

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="messages"
    )
    parent = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="replies"
    )
    # Kept on the row so that "one send, one answer" is one unique constraint.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    role = models.CharField(_("role"), max_length=10, choices=Role.choices)
    text = models.TextField(_("text"), blank=True)
    state = models.CharField(
        _("state"), max_length=10, choices=State.choices, default=State.COMPLETE
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    client_id = models.CharField(
        max_length=64,
        blank=True,
        help_text=_("The browser's own id of the send that made this answer."),
    )
    request_id = models.UUIDField(null=True, blank=True, db_index=True)
    finish_reason = models.CharField(_("finish reason"), max_length=10, blank=True)
    code = models.CharField(_("error code"), max_length=40, blank=True)
    detail = models.TextField(_("error text"), blank=True)
    truncated = models.BooleanField(_("older turns left out"), default=False)
    usage = models.JSONField(default=dict, blank=True)
    timings = models.JSONField(default=dict, blank=True)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        indexes = [models.Index(fields=["conversation", "created_at"])]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "client_id"], condition=~Q(client_id=""), name="one_answer_per_send"
            ),
            # Of two tabs that send at once one is refused, whatever the code around this does.
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(state="generating"),
                name="one_answer_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.id}"


class Feedback(models.Model):
    """What its reader thinks of an answer, with what it takes to make that answer again.

    Texts are there only where the site is set up to keep them (`CHATSITE_FEEDBACK=texts`).
    """

    class Rating(models.IntegerChoices):
        GOOD = 1, _("good")
        BAD = -1, _("bad")

    message = models.OneToOneField(Message, on_delete=models.CASCADE, related_name="feedback")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("user"),
        on_delete=models.CASCADE,
        related_name="feedback",
    )
    rating = models.SmallIntegerField(_("rating"), choices=Rating.choices)
    comment = models.TextField(_("comment"), blank=True)
    request_id = models.UUIDField(_("request"), null=True, blank=True)
    model = models.CharField(_("model"), max_length=200, blank=True)
    params = models.JSONField(_("sampling params"), default=dict, blank=True)
    prompt = models.JSONField(_("prompt"), null=True, blank=True)
    answer = models.TextField(_("answer"), blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("feedback")
        verbose_name_plural = _("feedback")
        permissions = [("export_feedback", _("Can export feedback with the texts that it holds"))]

    def __str__(self) -> str:
        return f"{self.message_id}"
