"""What the limits of the queue may be, wherever staff edit them."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext as _

from inference.models import QueuePolicy
from inference.models.policy import LIMITS
from inference.queue.steering import HIGHEST_PRIORITY, LOWEST_PRIORITY, priority_sentence

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[QueuePolicy]
else:
    _ModelForm = forms.ModelForm


class PolicyForm(_ModelForm):
    """All of the policy row."""

    class Meta:
        model = QueuePolicy
        fields = "__all__"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name in ("max_running", "max_new_tokens"):
            if cleaned.get(name) == 0:
                self.add_error(name, _("Must be at least 1. To stop the queue, pause it."))
        for name in ("priority_staff", "priority_members", "priority_guests"):
            if not LOWEST_PRIORITY <= cleaned.get(name, 0) <= HIGHEST_PRIORITY:
                self.add_error(name, priority_sentence())
        return cleaned

    def changes(self) -> dict[str, Any]:
        """The fields that this form changes, ready for `steering.change_policy`."""
        return {name: self.cleaned_data[name] for name in self.changed_data}


class LimitsForm(PolicyForm):
    """The limits on the live page."""

    class Meta(PolicyForm.Meta):
        fields = LIMITS  # type: ignore[assignment]


class NoticeForm(PolicyForm):
    """What everybody is told."""

    class Meta(PolicyForm.Meta):
        fields = ("notice",)  # type: ignore[assignment]
