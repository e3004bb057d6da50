"""The site's people: account holders and guests. Knows nothing of conversations or requests."""

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """A person. A guest is a real row too, bound to one session until they sign up or log in."""

    is_guest = models.BooleanField(
        _("guest"),
        default=False,
        help_text=_("Came in without an account; the session is the key."),
    )

    class Meta(AbstractUser.Meta):
        verbose_name = _("user")  # type: ignore[assignment]  # the stubs want a plain str
        verbose_name_plural = _("users")  # type: ignore[assignment]
