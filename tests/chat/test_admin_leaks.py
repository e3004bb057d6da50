"""No address of the admin answers questions about what is in a conversation."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from chatsite.accounts.models import User

LEAKS = [
    ("message", "text__icontains"),
    ("message", "conversation__title__icontains"),
    ("message", "replies__text__startswith"),
    ("conversation", "title__icontains"),
    ("conversation", "messages__text__icontains"),
    ("feedback", "prompt__icontains"),
    ("feedback", "answer__regex"),
    ("feedback", "message__text__icontains"),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("model", "lookup"), LEAKS)
@pytest.mark.parametrize("setting", [False, True])
def test_no_filter_asks_about_a_text(settings: Any, model: str, lookup: str, setting: bool) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = setting
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    address = reverse(f"admin:chat_{model}_changelist")
    assert client.get(address, {lookup: "secret"}).status_code == 400
    assert client.get(address).status_code == 200
