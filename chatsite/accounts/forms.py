"""Forms of the account pages."""

from typing import TYPE_CHECKING

from django.contrib.auth.forms import UserCreationForm

from chatsite.accounts.models import User

if TYPE_CHECKING:
    _UserCreationForm = UserCreationForm[User]
else:
    _UserCreationForm = UserCreationForm


class SignUpForm(_UserCreationForm):
    """A name and a password, nothing else."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)
