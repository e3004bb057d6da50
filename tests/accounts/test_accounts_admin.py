"""People in the admin."""

import pytest
from django.test import Client
from django.urls import reverse

from chatsite.accounts.guests import create_guest
from chatsite.accounts.models import User

pytestmark = pytest.mark.django_db


def test_staff_see_guests_and_cannot_make_somebody_one() -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    guest = create_guest()
    people = client.get(reverse("admin:accounts_user_changelist"))
    assert guest.username.encode() in people.content
    change = client.get(reverse("admin:accounts_user_change", args=[guest.pk]))
    assert change.status_code == 200
    assert b'name="is_guest"' not in change.content
    assert client.get(reverse("admin:accounts_user_add")).status_code == 200
