"""A person's own usage, today's quota before sending, and refusals that keep the draft."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.test import Client

from chatsite.accounts.guests import adopt, create_guest
from chatsite.accounts.models import User
from chatsite.chat.actions import Outcome, edit, regenerate, send_message
from chatsite.chat.models import Conversation, Message
from chatsite.chat.protocol import MessageEdit, MessageRegenerate, MessageSend, Params
from inference.models import GenerationRequest, GroupQuota, QueuePolicy
from inference.queue import Refused
from inference.queue.policy import current_policy
from tests.chat.tools import Hand

pytestmark = pytest.mark.django_db

ANYHOW = Params("", "", {})


def sent(user: User, text: str = "Hello") -> Outcome:
    return send_message(user, MessageSend(uuid4().hex, None, None, text, ANYHOW))


def answered(worker: Hand, user: User, tokens: int) -> Outcome:
    """An answer of so many tokens, and three of the prompt."""
    outcome = sent(user)
    (row,) = worker.claim()
    worker.end(row, "x" * tokens)
    return outcome


def limit(**values: int) -> None:
    current_policy()
    QueuePolicy.objects.update(**values)


@pytest.fixture
def page(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def quota(client: Client) -> Any:
    return client.get("/usage/today/").json()["quota"]


def test_without_a_quota_the_page_knows_none(page: Client, worker: Hand, alice: User) -> None:
    answered(worker, alice, 100)
    assert quota(page) is None
    assert page.get("/").context["page"]["quota"] is None
    assert b"no daily limit" in page.get("/usage/").content


def test_what_is_left_goes_down_with_each_answer(page: Client, worker: Hand, alice: User) -> None:
    limit(daily_tokens_members=1000)
    assert (quota(page)["limit"], quota(page)["left"]) == (1000, 1000)
    answered(worker, alice, 97)
    assert quota(page)["left"] == 900
    assert page.get("/").context["page"]["quota"]["left"] == 900
    assert "900 of 1,000 tokens left today" in page.get("/usage/").content.decode()


def test_staff_members_and_guests_have_quotas_of_their_own(db: None) -> None:
    limit(daily_tokens_staff=3, daily_tokens_members=2, daily_tokens_guests=1)
    people = [
        User.objects.create(username="staff", is_staff=True),
        User.objects.create(username="member"),
        create_guest(),
    ]
    found = []
    for person in people:
        client = Client()
        client.force_login(person)
        found.append(quota(client)["limit"])
    assert found == [3, 2, 1]


def test_a_group_of_the_person_goes_before(page: Client, alice: User) -> None:
    limit(daily_tokens_members=2)
    group = AuthGroup.objects.create(name="physics")
    GroupQuota.objects.create(group=group, daily_tokens=5000)
    alice.groups.add(group)
    assert quota(page)["limit"] == 5000


def test_a_refusal_stores_nothing_however_one_asks(worker: Hand, alice: User) -> None:
    first = answered(worker, alice, 50).accepted
    limit(daily_tokens_members=50)
    before = Message.objects.count(), Conversation.objects.count()
    asks: list[Callable[[], Outcome]] = [
        lambda: sent(alice),
        lambda: regenerate(alice, MessageRegenerate("r", first.message, ANYHOW)),
        lambda: edit(alice, MessageEdit("e", first.user_message, "again", ANYHOW)),
    ]
    for ask in asks:
        with pytest.raises(Refused) as caught:
            ask()
        assert caught.value.code == "quota"
    assert (Message.objects.count(), Conversation.objects.count()) == before


def test_a_deleted_conversation_gives_no_tokens_back(
    page: Client, worker: Hand, alice: User
) -> None:
    limit(daily_tokens_members=1000)
    conversation = answered(worker, alice, 97).accepted.conversation
    assert page.post(f"/conversations/{conversation}/delete/").status_code == 204
    assert quota(page)["left"] == 900


def test_a_guest_who_gets_an_account_does_not_begin_anew(
    page: Client, worker: Hand, alice: User
) -> None:
    limit(daily_tokens_members=1000, daily_tokens_guests=500)
    guest = create_guest()
    answered(worker, guest, 97)
    adopt(guest, alice)
    assert quota(page)["left"] == 900


def test_usage_is_told_by_day_and_by_model_and_only_ones_own(
    page: Client, worker: Hand, alice: User, bob: User
) -> None:
    answered(worker, alice, 1234)
    answered(worker, bob, 77777)
    GenerationRequest.objects.filter(user=bob).update(model="<b>secret</b>")
    shown = page.get("/usage/").content.decode()
    assert ">demo<" in shown and ">1,234<" in shown and ">1,237<" in shown
    assert "77,777" not in shown and "secret" not in shown
    assert "style=" not in shown


def test_strangers_are_sent_to_the_login_or_told_in_json(client: Client) -> None:
    assert client.get("/usage/").headers["Location"] == "/accounts/login/?next=/usage/"
    assert client.get("/usage/today/").status_code == 401
    for path in ("/usage/", "/usage/today/"):
        assert "no-store" in client.get(path).headers["Cache-Control"]
