"""Send, edit and regenerate: what is stored, what is asked for, what a refusal leaves behind."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.utils import timezone

from chatsite.accounts.models import User
from chatsite.chat.actions import Outcome, edit, perform, regenerate, send_message
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageEdit, MessageRegenerate, MessageSend, Params
from inference.models import GenerationRequest, QueuePolicy
from inference.queue import NotFound, Refused
from inference.queue.policy import current_policy
from inference.signals import rejected

pytestmark = pytest.mark.django_db

NO_PARAMS = Params("", "", {})


def send(
    user: User,
    text: str = "Hello",
    conversation: str | None = None,
    client_id: str = "",
    params: Params = NO_PARAMS,
    parent: str | None = None,
) -> Outcome:
    frame = MessageSend(client_id or uuid4().hex, conversation, parent, text, params)
    return send_message(user, frame)


def answer(outcome: Outcome, text: str, finish_reason: str = "stop") -> None:
    """Ends the answer as the recorder does."""
    GenerationRequest.objects.filter(public_id=outcome.accepted.request).update(
        state="finished", ended_at=timezone.now()
    )
    Message.objects.filter(pk=outcome.accepted.message).update(
        state="complete", text=text, finish_reason=finish_reason
    )


def prompt(outcome: Outcome) -> list[tuple[str, str]]:
    request = GenerationRequest.objects.get(public_id=outcome.accepted.request)
    return [(message["role"], message["content"]) for message in request.messages]


def stored() -> tuple[int, int, int]:
    return (
        Conversation.objects.count(),
        Message.objects.count(),
        GenerationRequest.objects.count(),
    )


def test_a_first_message_makes_a_conversation_a_question_an_answer_and_a_request(
    alice: User,
) -> None:
    outcome = send(alice, "What is\na queue?", client_id="c1")
    accepted = outcome.accepted
    conversation = Conversation.objects.get()
    question, reply = conversation.messages.order_by("created_at")
    request = GenerationRequest.objects.get()

    assert not outcome.repeated
    assert (conversation.user, conversation.title) == (alice, "What is a queue?")
    assert (question.role, question.text, question.client_id) == ("user", "What is\na queue?", "c1")
    assert (reply.role, reply.state, reply.text, reply.parent) == (
        "assistant",
        "generating",
        "",
        question,
    )
    assert reply.request_id == request.public_id
    assert request.reply_group == f"user.{alice.pk}"
    assert request.context == {"conversation": str(conversation.id), "message": str(reply.id)}
    assert (accepted.user_message, accepted.message) == (str(question.id), str(reply.id))
    assert (accepted.parent, accepted.request) == (None, str(request.public_id))


def test_a_long_first_message_gives_a_short_title(alice: User) -> None:
    send(alice, "word " * 100)
    title = Conversation.objects.get().title
    assert len(title) <= 60
    assert title.endswith("…")


def test_the_prompt_is_the_path_with_the_system_prompt_first(alice: User) -> None:
    first = send(alice, "one")
    answer(first, "uno")
    params = Params("", "Be brief.", {"temperature": 0})
    second = send(alice, "two", first.accepted.conversation, params=params)

    assert prompt(second) == [
        ("system", "Be brief."),
        ("user", "one"),
        ("assistant", "uno"),
        ("user", "two"),
    ]
    request = GenerationRequest.objects.get(public_id=second.accepted.request)
    assert request.params["temperature"] == 0
    assert second.accepted.parent == first.accepted.message


def test_an_aborted_answer_stays_in_the_prompt_and_a_failed_empty_one_does_not(
    alice: User,
) -> None:
    first = send(alice, "one")
    answer(first, "un", "aborted")
    second = send(alice, "two", first.accepted.conversation)
    answer(second, "", "failed")
    third = send(alice, "three", first.accepted.conversation)

    assert prompt(third) == [("user", "one"), ("assistant", "un"), ("user", "two\n\nthree")]


def test_regenerating_adds_a_sibling_answer_with_the_same_prompt(alice: User) -> None:
    first = send(alice, "one")
    answer(first, "uno")
    frame = MessageRegenerate("again", first.accepted.message, NO_PARAMS)
    second = regenerate(alice, frame)

    assert second.accepted.user_message == first.accepted.user_message
    assert second.accepted.message != first.accepted.message
    assert second.accepted.text == "one"
    assert prompt(second) == [("user", "one")]
    assert Message.objects.get(pk=first.accepted.message).text == "uno"
    assert regenerate(alice, frame) == Outcome(second.accepted, repeated=True)


def test_editing_adds_a_sibling_question_under_the_same_parent(alice: User) -> None:
    first = send(alice, "one")
    answer(first, "uno")
    second = send(alice, "two", first.accepted.conversation)
    answer(second, "dos")
    edited = edit(alice, MessageEdit("e", second.accepted.user_message, "deux", NO_PARAMS))

    assert edited.accepted.parent == second.accepted.parent == first.accepted.message
    assert prompt(edited) == [("user", "one"), ("assistant", "uno"), ("user", "deux")]
    assert Message.objects.get(pk=second.accepted.user_message).text == "two"


def test_a_reply_may_continue_an_older_branch(alice: User) -> None:
    first = send(alice, "one")
    answer(first, "uno")
    other = regenerate(alice, MessageRegenerate("r", first.accepted.message, NO_PARAMS))
    answer(other, "un")
    conversation = first.accepted.conversation

    newest = send(alice, "two", conversation)
    assert newest.accepted.parent == other.accepted.message
    answer(newest, "deux")
    older = send(alice, "two", conversation, parent=first.accepted.message)
    assert prompt(older) == [("user", "one"), ("assistant", "uno"), ("user", "two")]


def test_an_answer_cannot_be_edited(alice: User) -> None:
    first = send(alice)
    answer(first, "x")
    with pytest.raises(Refused) as refusal:
        edit(alice, MessageEdit("e", first.accepted.message, "mine", NO_PARAMS))
    assert refusal.value.code == "invalid"


def test_a_conversation_that_is_being_answered_takes_nothing_else(alice: User) -> None:
    first = send(alice)
    before = stored()
    with pytest.raises(Refused) as refusal:
        send(alice, "and?", first.accepted.conversation)
    with pytest.raises(Refused):
        regenerate(alice, MessageRegenerate("r", first.accepted.message, NO_PARAMS))
    with pytest.raises(Refused):
        edit(alice, MessageEdit("e", first.accepted.user_message, "x", NO_PARAMS))
    assert refusal.value.code == "invalid"
    assert stored() == before


def test_a_refused_send_stores_nothing(alice: User) -> None:
    current_policy()
    QueuePolicy.objects.update(max_waiting=0)
    with pytest.raises(Refused) as refusal:
        send(alice)
    assert refusal.value.code == "not_ready"
    assert refusal.value.retry_after
    assert stored() == (0, 0, 0)


@pytest.mark.parametrize(
    "sampling",
    [
        {"temperature": -1},
        {"temperature": "hot"},
        {"top_k": -1},
        {"top_p": True},
        {"max_tokens": 10**9},
        {"seed": 2**70},
        {"stop": ["x"] * 100},
        {"logit_bias": {}},
        {"": 1},
    ],
)
def test_wrong_params_are_refused_and_store_nothing(alice: User, sampling: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        send(alice, params=Params("", "", sampling))
    assert refusal.value.code == "invalid"
    assert stored() == (0, 0, 0)


def test_what_is_not_yours_looks_like_what_does_not_exist(alice: User, bob: User) -> None:
    hers = send(alice)
    answer(hers, "secret")
    before = stored()
    errors = []
    for conversation in (hers.accepted.conversation, str(uuid4()), "1", "../../etc"):
        with pytest.raises(NotFound) as caught:
            send(bob, "x", conversation)
        errors.append(str(caught.value))
    for message in (hers.accepted.message, hers.accepted.user_message, str(uuid4()), "nonsense"):
        with pytest.raises(NotFound):
            regenerate(bob, MessageRegenerate("r", message, NO_PARAMS))
        with pytest.raises(NotFound):
            edit(bob, MessageEdit("e", message, "x", NO_PARAMS))
    assert errors[0] == errors[1]
    assert stored() == before


def test_a_parent_in_another_conversation_is_not_found(alice: User) -> None:
    first, second = send(alice), send(alice)
    answer(first, "x")
    answer(second, "y")
    with pytest.raises(NotFound):
        send(alice, "x", first.accepted.conversation, parent=second.accepted.message)


def test_a_repeated_client_id_returns_what_was_accepted(alice: User, bob: User) -> None:
    first = send(alice, client_id="same")
    assert send(alice, client_id="same") == Outcome(first.accepted, repeated=True)
    answer(first, "done")
    assert send(alice, client_id="same") == Outcome(first.accepted, repeated=True)
    assert not send(bob, client_id="same").repeated
    assert stored() == (2, 4, 2)


@pytest.mark.django_db(transaction=True)
def test_one_client_id_sent_from_many_places_at_once_is_accepted_once(alice: User) -> None:
    current_policy()

    def sent(_index: int) -> Outcome:
        try:
            return send(alice, client_id="burst")
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(sent, range(16)))

    assert len({outcome.accepted for outcome in outcomes}) == 1
    assert sum(not outcome.repeated for outcome in outcomes) == 1
    assert stored() == (1, 2, 1)


@pytest.mark.django_db(transaction=True)
def test_of_many_sends_at_once_into_one_conversation_one_is_accepted(alice: User) -> None:
    first = send(alice)
    answer(first, "done")

    def sent(_index: int) -> str:
        try:
            send(alice, conversation=first.accepted.conversation)
        except Refused as refused:
            return refused.code
        finally:
            connection.close()
        return "accepted"

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(sent, range(16)))

    assert sorted(outcomes) == ["accepted", *["invalid"] * 15]
    assert stored() == (1, 4, 2)


def test_the_database_itself_refuses_a_second_answer_that_is_being_written(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = send(alice)
    before = stored()

    def unchecked(user: User, conversation_id: UUID) -> Conversation:
        return Conversation.objects.get(pk=conversation_id, user=user)

    monkeypatch.setattr("chatsite.chat.actions._idle_conversation", unchecked)
    with pytest.raises(Refused) as caught:
        send(alice, conversation=first.accepted.conversation)
    assert caught.value.code == "invalid"
    assert stored() == before


def test_staff_members_and_guests_get_the_priority_of_their_kind(alice: User, bob: User) -> None:
    guest = User.objects.create(username="Guest 1", is_guest=True)
    bob.is_staff = True
    bob.save()
    found = [
        GenerationRequest.objects.get(public_id=send(person).accepted.request).priority
        for person in (bob, alice, guest)
    ]
    assert found == [2, 1, 0]


@pytest.mark.django_db(transaction=True)
def test_a_refused_send_is_signalled_once_after_the_transaction(alice: User) -> None:
    heard: list[str] = []

    def receive(refused: Refused, **_sent: Any) -> None:
        assert not connection.in_atomic_block
        heard.append(refused.code)

    rejected.connect(receive)
    current_policy()
    QueuePolicy.objects.update(max_waiting=0)
    with pytest.raises(Refused):
        perform(alice, MessageSend("c", None, None, "Hello", NO_PARAMS))
    assert heard == ["not_ready"]
