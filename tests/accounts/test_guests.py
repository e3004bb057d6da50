"""Guests: made by a POST only, and everything of theirs moves to the account they get."""

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.db import IntegrityError, connection
from django.test import Client

from chatsite.accounts.guests import adopt, create_guest
from chatsite.accounts.models import User
from chatsite.accounts.sessions import SessionEnded
from chatsite.chat.actions import regenerate, send_message
from chatsite.chat.deletion import delete_conversation
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageRegenerate, MessageSend, Params
from inference.models import GenerationRequest, QueuePolicy
from inference.queue.policy import current_policy

pytestmark = pytest.mark.django_db

PASSWORD = "correct horse battery"


def say(user: User, client_id: str = "") -> str:
    frame = MessageSend(client_id or uuid4().hex, None, None, "Hello", Params("", "", {}))
    return send_message(user, frame).accepted.conversation


def guest_of(client: Client) -> User:
    return User.objects.get(pk=client.session["_auth_user_id"])


def test_continuing_as_guest_makes_a_real_user_who_cannot_log_in(client: Client) -> None:
    assert client.post("/accounts/guest/").headers["Location"] == "/"
    guest = guest_of(client)
    assert guest.is_guest
    assert guest.is_active
    assert not (guest.is_staff or guest.has_usable_password())
    assert re.fullmatch(r"Guest [0-9A-F]{4}", guest.username)


def test_a_guest_who_asks_again_stays_the_same_guest(client: Client) -> None:
    for _ in range(3):
        client.post("/accounts/guest/")
    assert User.objects.count() == 1


def test_looking_makes_no_rows(client: Client) -> None:
    for path in ("/", "/accounts/login/", "/accounts/signup/", "/accounts/guest/", "/c/x/"):
        client.get(path)
    assert User.objects.count() == Session.objects.count() == 0


def test_without_guests_the_entrance_says_so(client: Client, settings: Any) -> None:
    settings.CHATSITE_ALLOW_GUESTS = False
    assert client.post("/accounts/guest/").status_code == 403
    assert User.objects.count() == 0
    assert client.get("/").context["guests_allowed"] is False


def test_a_taken_name_is_drawn_again_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    User.objects.create(username="Guest 0000")
    monkeypatch.setattr("chatsite.accounts.guests.secrets.token_hex", lambda size: "00" * size)
    assert create_guest().username == "Guest 000000"


def test_a_guest_who_signs_up_keeps_everything(client: Client) -> None:
    client.post("/accounts/guest/")
    guest, key = guest_of(client), client.session.session_key
    conversation = say(guest)
    names = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    client.post("/accounts/signup/", names)

    carol = User.objects.get()  # the guest is gone
    assert (carol.username, carol.is_guest) == ("carol", False)
    assert client.session.session_key != key
    assert str(Conversation.objects.get(user=carol).pk) == conversation
    assert set(Message.objects.values_list("user", flat=True)) == {carol.pk}
    request = GenerationRequest.objects.get()
    assert (request.user, request.reply_group) == (carol, f"user.{carol.pk}")
    listed = client.get("/conversations/").json()["conversations"]
    assert [row["id"] for row in listed] == [conversation]


def test_a_guest_who_logs_in_adds_to_what_the_account_has(client: Client) -> None:
    alice = User.objects.create_user("alice", password=PASSWORD)
    say(alice, client_id="same")
    client.post("/accounts/guest/")
    say(guest_of(client), client_id="same")
    client.post("/accounts/login/", {"username": "alice", "password": PASSWORD})
    assert User.objects.get() == alice
    assert Conversation.objects.filter(user=alice).count() == 2


def test_a_failed_login_leaves_the_guest_as_they_are(client: Client) -> None:
    User.objects.create_user("alice", password=PASSWORD)
    client.post("/accounts/guest/")
    guest = guest_of(client)
    say(guest)
    client.post("/accounts/login/", {"username": "alice", "password": "wrong"})
    assert guest_of(client) == guest
    assert Conversation.objects.filter(user=guest).count() == 1


def test_adoption_is_all_or_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    guest, alice = create_guest(), User.objects.create(username="alice")
    say(guest)

    def fails(*_args: Any, **_kwargs: Any) -> None:
        raise IntegrityError("planted")

    monkeypatch.setattr(User, "delete", fails)
    with pytest.raises(IntegrityError):
        adopt(guest, alice)
    assert Conversation.objects.get().user == guest
    assert GenerationRequest.objects.get().user == guest


@pytest.mark.django_db(transaction=True)
def test_a_guest_may_move_while_they_send_and_delete() -> None:
    current_policy()
    QueuePolicy.objects.update(max_running_per_user=0)
    alice = User.objects.create(username="alice")
    for _ in range(5):
        guest = create_guest()
        kept, deleted = say(guest), Conversation.objects.get(pk=say(guest))
        answer = Message.objects.get(conversation_id=kept, role="assistant")
        Message.objects.filter(pk=answer.pk).update(state="complete")
        again = MessageRegenerate("again", str(answer.pk), Params("", "", {}))
        tasks: list[Callable[[], object]] = [
            lambda guest=guest: adopt(guest, alice),  # type: ignore[misc]
            lambda guest=guest: say(guest),  # type: ignore[misc]
            lambda guest=guest, again=again: regenerate(guest, again),  # type: ignore[misc]
            lambda row=deleted: delete_conversation(row),  # type: ignore[misc]
        ]
        with ThreadPoolExecutor(len(tasks)) as pool:
            list(pool.map(unless_gone, tasks))
    assert User.objects.get() == alice
    assert not GenerationRequest.objects.exclude(user=alice).exists()


def unless_gone(task: Callable[[], object]) -> None:
    """A guest who has moved away is told so; any other error is one."""
    try:
        with suppress(SessionEnded):
            task()
    finally:
        connection.close()


def test_only_guests_are_adopted() -> None:
    alice, bob = User.objects.create(username="alice"), User.objects.create(username="bob")
    say(bob)
    adopt(bob, alice)
    assert Conversation.objects.get().user == bob
    assert User.objects.count() == 2
