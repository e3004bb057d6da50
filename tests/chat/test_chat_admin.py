"""Staff see figures of conversations, never what is in them."""

import pytest
from django.test import Client
from django.urls import reverse

from chatsite.accounts.models import User
from chatsite.chat.actions import send_message
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageSend, Params

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


def test_no_title_and_no_text_is_shown_to_staff(admin: Client, alice: User) -> None:
    send_message(alice, MessageSend("c", None, None, "my secret", Params("", "", {})))
    Message.objects.filter(role="assistant").update(text="secret answer")
    paths = [reverse(f"admin:chat_{name}_changelist") for name in ("conversation", "message")]
    for row in (*Conversation.objects.all(), *Message.objects.all()):
        paths.append(reverse(f"admin:chat_{row._meta.model_name}_change", args=[row.pk]))
    for path in paths:
        response = admin.get(path)
        assert response.status_code == 200, path
        assert b"secret" not in response.content, path
        assert b"alice" in response.content, path


def test_figures_are_shown(admin: Client, alice: User) -> None:
    send_message(alice, MessageSend("c", None, None, "x" * 4321, Params("", "", {})))
    assert b"4321" in admin.get(reverse("admin:chat_message_changelist")).content


def test_nothing_is_written_by_hand(admin: Client, alice: User) -> None:
    assert admin.get(reverse("admin:chat_message_add")).status_code == 403
    assert admin.get(reverse("admin:chat_conversation_add")).status_code == 403
