"""Gives people permissions of the queue."""

from django.contrib.auth.models import Permission

from chatsite.accounts.models import User


def allow(user: User, *codenames: str) -> User:
    """The user with these permissions of the inference app, read anew."""
    found = Permission.objects.filter(content_type__app_label="inference", codename__in=codenames)
    assert found.count() == len(codenames)
    user.user_permissions.add(*found)
    return User.objects.get(pk=user.pk)
