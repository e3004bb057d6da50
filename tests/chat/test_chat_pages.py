"""The chat page's data, the JSON of conversations, and who may see them."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from chatsite.accounts.models import User
from chatsite.chat.actions import Outcome, send_message
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageSend, Params
from inference.models import GenerationRequest
from tests.chat.tools import Hand

pytestmark = pytest.mark.django_db


def sent(user: User, text: str = "Hello") -> Outcome:
    return send_message(user, MessageSend(uuid4().hex, None, None, text, Params("", "", {})))


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def test_a_bare_page_view_makes_no_user_and_no_session(client: Client) -> None:
    response = client.get("/")
    assert response.status_code == 200
    assert response.context["guests_allowed"] is True
    assert User.objects.count() == Session.objects.count() == 0
    assert "sessionid" not in response.cookies


def test_the_page_knows_the_person_the_limits_and_the_addresses(page: Client, worker: Hand) -> None:
    data = page.get("/").context["page"]
    assert data["user"] == {"name": "alice", "is_guest": False}
    assert data["conversation"] is None
    assert data["limits"] == {"message_bytes": 32_768, "comment_length": 2000}
    assert (data["urls"]["socket"], data["urls"]["conversation_base"]) == ("/ws/chat/", "/c/")
    assert data["engine"] == {"mock": True, "model": "demo"}
    assert data["language"] == "en"


def test_before_a_worker_is_ready_the_configured_model_is_named_without_its_path(
    page: Client, settings: Any
) -> None:
    settings.INFERENCE_MODEL, settings.INFERENCE_ENGINE = "/srv/secret/place/Tiny-1B", "mock"
    assert page.get("/").context["page"]["engine"] == {"mock": True, "model": "Tiny-1B"}


def test_a_conversations_address_shows_it_to_its_owner_only(
    page: Client, alice: User, bob: User
) -> None:
    mine, his = sent(alice).accepted.conversation, sent(bob).accepted.conversation
    assert page.get(f"/c/{mine}/").context["page"]["conversation"] == mine
    for other in (his, uuid4()):
        assert page.get(f"/c/{other}/").status_code == 404
        assert page.get(f"/conversations/{other}/").status_code == 404
        assert page.post(f"/conversations/{other}/delete/").status_code == 404
    assert Conversation.objects.count() == 2
    assert page.get("/c/not-an-id/").status_code == 404


def test_strangers_are_sent_to_the_login_or_told_in_json(client: Client, alice: User) -> None:
    conversation = sent(alice).accepted.conversation
    response = client.get(f"/c/{conversation}/")
    assert response.headers["Location"] == f"/accounts/login/?next=/c/{conversation}/"
    for path in ("/conversations/", f"/conversations/{conversation}/"):
        response = client.get(path)
        assert (response.status_code, response.json()["code"]) == (401, "signed_out")
    response = client.post(f"/conversations/{conversation}/delete/")
    assert response.status_code == 401
    assert Conversation.objects.count() == 1


def test_the_list_is_newest_first_with_what_is_being_answered(
    page: Client, alice: User, bob: User
) -> None:
    old, new = sent(alice, "old"), sent(alice, "new")
    sent(bob, "his")
    Message.objects.filter(pk=old.accepted.message).update(state="complete")
    listed = page.get("/conversations/").json()["conversations"]
    assert [(row["title"], row["active"]) for row in listed] == [("new", True), ("old", False)]
    assert listed[0]["id"] == new.accepted.conversation
    assert set(listed[0]) == {"id", "title", "updated_at", "active"}


def test_a_conversation_comes_with_all_its_messages_in_order(page: Client, alice: User) -> None:
    accepted = sent(alice, "one").accepted
    detail = page.get(f"/conversations/{accepted.conversation}/").json()
    question, answer = detail["messages"]
    assert (detail["id"], detail["title"]) == (accepted.conversation, "one")
    assert (question["id"], question["parent"], question["text"]) == (
        accepted.user_message,
        None,
        "one",
    )
    assert (answer["parent"], answer["role"], answer["state"], answer["request"]) == (
        accepted.user_message,
        "assistant",
        "generating",
        accepted.request,
    )
    assert set(question) == {
        *("id", "parent", "role", "text", "created_at", "state", "finish_reason", "code"),
        *("detail", "truncated", "usage", "timings", "request", "feedback"),
    }


def test_deleting_a_conversation_ends_what_is_written_in_it(
    page: Client, alice: User, worker: Hand
) -> None:
    running = sent(alice).accepted
    worker.claim()
    waiting = sent(alice).accepted
    for accepted in (running, waiting):
        path = f"/conversations/{accepted.conversation}/delete/"
        assert page.get(path).status_code == 405
        assert page.post(path).status_code == 204
    assert not Conversation.objects.exists()
    assert GenerationRequest.objects.get(public_id=waiting.request).state == "aborted"
    row = GenerationRequest.objects.get(public_id=running.request)
    assert (row.state, row.abort_requested) == ("running", True)
    worker.end(row, "too late", "aborted")
    assert not Message.objects.exists()


def test_deleting_needs_the_csrf_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    path = f"/conversations/{sent(alice).accepted.conversation}/delete/"
    assert strict.post(path).status_code == 403
    assert Conversation.objects.count() == 1


def test_no_answer_with_a_persons_data_may_be_cached(page: Client, alice: User) -> None:
    conversation = sent(alice).accepted.conversation
    paths = ("/", f"/c/{conversation}/", "/conversations/", f"/conversations/{conversation}/")
    for path in paths:
        response = page.get(path)
        assert "no-store" in response.headers["Cache-Control"], path
        assert "Cookie" in response.headers["Vary"], path
