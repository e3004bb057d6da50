"""Feedback: what is kept with a rating, changed and taken back; and who may rate what."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.test import Client

from chatsite.accounts.guests import adopt, create_guest
from chatsite.accounts.models import User
from chatsite.chat.actions import send_message
from chatsite.chat.models import Feedback, Message
from chatsite.chat.protocol import MessageSend, Params
from chatsite.chat.signals import feedback_given
from chatsite.env import env_choice
from inference.models import GenerationRequest
from tests.chat.tools import Hand

pytestmark = pytest.mark.django_db


def answered(user: User, worker: Hand, reason: str = "stop", text: str = "Hi there") -> str:
    """The id of an answer to “Hello”, under a system prompt."""
    params = Params("", "Be kind.", {"temperature": 0.5, "stop": ["my secret word"]})
    frame = MessageSend(uuid4().hex, None, None, "Hello", params)
    accepted = send_message(user, frame).accepted
    (row,) = worker.claim()
    worker.end(row, text, reason)
    return accepted.message


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def answer(alice: User, worker: Hand) -> str:
    return answered(alice, worker)


def rate(page: Client, message: Any, status: int = 200, **fields: Any) -> Any:
    path = f"/messages/{message}/feedback/"
    response = page.post(path, json.dumps(fields), content_type="application/json")
    assert response.status_code == status, response.content
    return response.json() if response["Content-Type"] == "application/json" else None


# --- What is kept ---


def test_a_rating_is_kept_with_model_params_and_seed_but_without_texts(
    page: Client, alice: User, answer: str
) -> None:
    kept = rate(page, answer, rating=1, comment=" Clear. ")
    assert kept == {"feedback": {"rating": 1, "comment": "Clear."}}
    row, request = Feedback.objects.get(), GenerationRequest.objects.get()
    assert (row.user, row.model, row.request_id) == (alice, "demo", request.public_id)
    assert row.params == {
        k: v for k, v in request.params.items() if k not in ("stop", "logit_bias")
    }
    assert isinstance(row.params["seed"], int) and row.params["temperature"] == 0.5
    assert (row.prompt, row.answer) == (None, "")


def test_with_texts_the_prompt_is_kept_as_the_model_got_it(
    page: Client, answer: str, settings: Any
) -> None:
    settings.CHATSITE_FEEDBACK = "texts"
    rate(page, answer, rating=-1)
    row = Feedback.objects.get()
    assert row.prompt == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
    ]
    assert row.answer == "Hi there"
    assert row.params["stop"] == ["my secret word"]


def test_when_its_request_was_pruned_what_the_conversation_tells_is_kept(
    page: Client, answer: str, settings: Any
) -> None:
    settings.CHATSITE_FEEDBACK = "texts"
    GenerationRequest.objects.all().delete()
    rate(page, answer, rating=1)
    row = Feedback.objects.get()
    assert row.prompt == [{"role": "user", "content": "Hello"}]
    assert (row.answer, row.model, row.params) == ("Hi there", "", {})


def test_a_later_change_keeps_what_was_known_before_its_request_was_pruned(
    page: Client, answer: str, settings: Any
) -> None:
    settings.CHATSITE_FEEDBACK = "texts"
    rate(page, answer, rating=1)
    before = Feedback.objects.get()
    GenerationRequest.objects.all().delete()
    rate(page, answer, rating=-1)
    after = Feedback.objects.get()
    assert (after.prompt, after.params, after.model) == (before.prompt, before.params, "demo")


def test_a_rating_can_be_changed_commented_and_taken_back(page: Client, answer: str) -> None:
    rate(page, answer, rating=1)
    assert rate(page, answer, rating=1, comment="Why not")["feedback"]["comment"] == "Why not"
    # Without a comment the one that is there stays.
    assert rate(page, answer, rating=-1)["feedback"] == {"rating": -1, "comment": "Why not"}
    assert rate(page, answer, rating=-1, comment="")["feedback"] == {"rating": -1, "comment": ""}
    assert Feedback.objects.count() == 1
    for _again in range(2):
        assert rate(page, answer, rating=0) == {"feedback": None}
    assert not Feedback.objects.exists()


def test_the_same_again_changes_nothing(page: Client, answer: str) -> None:
    rate(page, answer, rating=1, comment="a")
    before = Feedback.objects.values().get()
    rate(page, answer, rating=1, comment="a")
    assert Feedback.objects.values().get() == before


def test_a_conversation_comes_with_what_its_answers_were_rated(page: Client, answer: str) -> None:
    conversation = Message.objects.get(pk=answer).conversation_id
    rate(page, answer, rating=-1, comment="いまいち")
    messages = page.get(f"/conversations/{conversation}/").json()["messages"]
    assert [one["feedback"] for one in messages] == [None, {"rating": -1, "comment": "いまいち"}]


def test_feedback_goes_with_its_conversation(page: Client, answer: str) -> None:
    rate(page, answer, rating=1)
    conversation = Message.objects.get(pk=answer).conversation_id
    page.post(f"/conversations/{conversation}/delete/")
    assert not Feedback.objects.exists()


def test_a_guests_feedback_comes_along_into_the_account(alice: User, worker: Hand) -> None:
    guest, page = create_guest(), Client()
    page.force_login(guest)
    rate(page, answered(guest, worker), rating=1)
    adopt(guest, alice)
    assert Feedback.objects.get().user == alice


# --- Who may rate what ---


def test_only_ones_own_ended_answers_with_a_text_can_be_rated(
    page: Client, alice: User, bob: User, worker: Hand
) -> None:
    rated = [answered(alice, worker, reason) for reason in ("stop", "length", "aborted")]
    others = [
        uuid4(),
        answered(bob, worker),
        answered(alice, worker, "failed"),
        answered(alice, worker, "aborted", text=""),
        Message.objects.get(pk=rated[0]).parent_id,
        send_message(
            alice, MessageSend("now", None, None, "Hello", Params("", "", {}))
        ).accepted.message,
    ]
    for message in others:
        rate(page, message, status=404, rating=1)
    for message in rated:
        rate(page, message, rating=1)
    assert {str(row.message_id) for row in Feedback.objects.all()} == set(rated)


def test_strangers_forged_forms_and_other_methods_are_refused(alice: User, answer: str) -> None:
    path = f"/messages/{answer}/feedback/"
    assert Client().post(path).json()["code"] == "signed_out"
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(alice)
    assert strict.post(path, "{}", content_type="application/json").status_code == 403
    assert strict.get(path).status_code == 405


def test_switched_off_there_is_no_feedback(page: Client, answer: str, settings: Any) -> None:
    settings.CHATSITE_FEEDBACK = "off"
    rate(page, answer, status=404, rating=1)
    assert page.get("/").context["page"]["feedback"] == "off"
    assert not Feedback.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "“rating” must be"),
        ({"rating": 2}, "“rating” must be"),
        ({"rating": True}, "“rating” must be"),
        ({"rating": 1.0}, "“rating” must be"),
        ({"rating": "1"}, "“rating” must be"),
        ({"rating": 1, "comment": 5}, "must be text"),
        ({"rating": 1, "comment": "a\0b"}, "NUL character"),
        ({"rating": 1, "comment": "\ud83d"}, "broken character"),
        ({"rating": 1, "comment": "あ" * 2001}, "at most 2000 characters"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_a_sentence(
    page: Client, answer: str, fields: dict[str, Any], said: str
) -> None:
    refused = rate(page, answer, status=400, **fields)
    assert refused["code"] == "invalid" and said in refused["detail"]
    assert not Feedback.objects.exists()
    rate(page, answer, rating=1, comment="あ" * 2000)


@pytest.mark.parametrize("body", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"rating": 1'])
def test_a_body_that_is_no_object_is_refused_in_a_sentence(
    page: Client, answer: str, body: bytes
) -> None:
    path = f"/messages/{answer}/feedback/"
    response = page.post(path, body, content_type="application/json")
    assert (response.status_code, response.json()["code"]) == (400, "invalid")
    assert "JSON object" in response.json()["detail"]


def test_an_unknown_setting_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATSITE_FEEDBACK", "some")
    with pytest.raises(ImproperlyConfigured, match="must be texts, ratings or off, not 'some'"):
        env_choice("CHATSITE_FEEDBACK", "ratings", ("texts", "ratings", "off"))


# --- The signal ---


@pytest.fixture
def heard() -> Iterator[list[Any]]:
    given: list[Any] = []

    def receive(message: Message, feedback: Feedback | None, **sent: Any) -> None:
        assert not transaction.get_connection().in_atomic_block
        given.append((str(message.pk), feedback and feedback.rating))

    feedback_given.connect(receive)
    yield given
    feedback_given.disconnect(receive)


@pytest.mark.django_db(transaction=True)
def test_integrators_hear_of_what_is_given_changed_and_taken_back(
    page: Client, answer: str, heard: list[Any]
) -> None:
    for rating in (1, 1, -1, 0, 0):
        rate(page, answer, rating=rating)
    rate(page, answer, status=400, rating=7)
    assert heard == [(answer, 1), (answer, -1), (answer, None)]


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_raises_is_logged_and_changes_nothing(
    page: Client, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(**sent: Any) -> None:
        raise RuntimeError("integrator's fault")

    feedback_given.connect(broken)
    try:
        rate(page, answer, rating=1)
    finally:
        feedback_given.disconnect(broken)
    assert Feedback.objects.count() == 1
    assert "integrator's fault" in caplog.text
