"""The notice to everybody: every open tab hears it, every greeting and page has it."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError
from django.test import Client

from chatsite.accounts.models import User
from inference.models import QueuePolicy
from inference.queue import policy_changed
from inference.queue.policy import current_policy
from tests.chat.tools import Hand, OpenTab

HOSTILE = "<script>alert(1)</script> & “late” 🌙"
ADMIN = "/admin/inference/queuepolicy/1/change/"


def say(text: str) -> None:
    """As whoever changes the policy does."""
    policy = current_policy()
    policy.notice = text
    policy.save()
    policy_changed.send_robust(QueuePolicy, policy=policy)


@pytest.mark.django_db(transaction=True)
async def test_every_tab_of_everybody_hears_of_it_and_newcomers_read_it_in_hello(
    alice: User, bob: User, open_tab: OpenTab
) -> None:
    tabs = [await open_tab(alice), await open_tab(alice), await open_tab(bob)]
    for text in (HOSTILE, ""):
        await sync_to_async(say)(text)
        for tab in tabs:
            assert await tab.hear("notice") == {"type": "notice", "text": text}
        assert (await open_tab(bob)).hello["notice"] == text


@pytest.mark.django_db(transaction=True)
def test_a_channel_layer_that_is_away_stops_no_change_of_the_policy(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*args: Any) -> None:
        raise ConnectionError("Redis is away")

    monkeypatch.setattr(get_channel_layer(), "group_send", broken)
    say("Late tonight")
    assert QueuePolicy.objects.get().notice == "Late tonight"
    assert "Redis is away" in caplog.text


@pytest.mark.django_db(transaction=True)
async def test_a_change_in_the_admin_is_told(alice: User, open_tab: OpenTab) -> None:
    tab = await open_tab(alice)
    await sync_to_async(_save_in_admin)("Closed on Monday")
    assert (await tab.hear("notice"))["text"] == "Closed on Monday"


def _save_in_admin(notice: str) -> None:
    admin = Client()
    admin.force_login(User.objects.create_superuser("root"))
    form = admin.get(ADMIN).context["adminform"].form
    fields = {name: form[name].value() for name in form.fields} | {"notice": notice}
    fields = {name: value for name, value in fields.items() if value is not False}
    assert admin.post(ADMIN, fields).status_code == 302


@pytest.mark.django_db
def test_pages_show_it_as_text(client: Client, alice: User, worker: Hand) -> None:
    for text in (HOSTILE, ""):
        say(text)
        for path in ("/", "/accounts/login/", "/accounts/signup/", "/nothing-here/"):
            content = client.get(path).content.decode()
            assert ("&lt;script&gt;alert(1)" in content) == bool(text), path
            assert ("site-notice" in content) == bool(text), path
            assert "<script>alert" not in content
        person = Client()
        person.force_login(alice)
        assert person.get("/").context["page"]["notice"] == text
        assert b"<script>alert" not in person.get("/").content


@pytest.mark.django_db
def test_a_page_that_needs_no_database_does_not_need_one_for_the_notice(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> str:
        raise OperationalError("no database")

    monkeypatch.setattr("chatsite.chat.notices.current_notice", away)
    assert client.get("/").status_code == 200
