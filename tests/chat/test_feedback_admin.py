"""Feedback for staff: the list, who sees texts, and the export."""

import json
import stat
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import AsyncClient, Client

from chatsite.accounts.models import User
from chatsite.chat.models import Conversation, Feedback, Message

LIST = "/admin/chat/feedback/"
EXPORT = f"{LIST}export/"


def given(user: User, rating: int = 1, comment: str = "") -> Feedback:
    message = Message.objects.create(
        conversation=Conversation.objects.create(user=user),
        user=user,
        role="assistant",
        finish_reason="length",
    )
    return Feedback.objects.create(
        message=message,
        user=user,
        rating=rating,
        comment=comment,
        model="demo",
        request_id=uuid4(),
        params={"seed": 2**62 + 1, "temperature": 1.0},
        prompt=[{"role": "user", "content": "the secret <i>question</i>"}],
        answer="the secret answer",
    )


def staff(*codenames: str) -> User:
    person = User.objects.create(username=uuid4().hex, is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return person


def admin(*codenames: str) -> Client:
    client = Client()
    client.force_login(staff(*codenames))
    return client


_given, _staff = sync_to_async(given), sync_to_async(staff)


def lines(body: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in body.decode().split("\n")[:-1]]


pytestmark = pytest.mark.django_db


def test_the_list_names_people_ratings_and_models_and_can_be_searched(
    alice: User, bob: User
) -> None:
    given(alice), given(bob, -1, "meh")
    page = admin("view_feedback")
    response = page.get(LIST)
    for shown in (b"alice", b"bob", b"demo", b"length", b"good", b"bad"):
        assert shown in response.content
    found = page.get(LIST, {"q": "bob", "rating__exact": "-1"}).content
    assert b"bob" in found and b"alice" not in found
    without_comment = page.get(LIST, {"comment__isempty": "1"}).content
    assert b"alice" in without_comment and b"bob" not in without_comment
    assert page.get(f"{LIST}add/").status_code == 403


def test_a_comment_is_shown_as_text(alice: User) -> None:
    row = given(alice, comment="<script>alert(1)</script>")
    page = admin("view_feedback").get(f"{LIST}{row.pk}/change/")
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in page.content
    assert b"<script>alert(1)" not in page.content


@pytest.mark.parametrize(("is_on", "permission"), [(False, True), (True, False), (True, True)])
def test_the_conversation_is_shown_only_where_staff_may_see_texts(
    alice: User, settings: Any, is_on: bool, permission: bool
) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = is_on
    row = given(alice)
    page = admin("view_feedback", *(["read_texts"] if permission else []))
    content = page.get(f"{LIST}{row.pk}/change/").content
    assert (b"secret" in content) == (is_on and permission)
    assert b"<i>question" not in content
    assert b"secret" not in page.get(LIST).content


def test_the_export_needs_its_own_permission(alice: User) -> None:
    given(alice)
    for names in (["view_feedback"], ["export_feedback"]):
        assert admin(*names).get(EXPORT).status_code == 403
    assert EXPORT.encode() not in admin("view_feedback").get(LIST).content
    allowed = admin("view_feedback", "export_feedback")
    assert f"{EXPORT}?q=alice".encode() in allowed.get(LIST, {"q": "alice"}).content
    assert allowed.get(EXPORT, {"nonsense": "1"}).status_code == 400
    assert Client().get(EXPORT).status_code == 302


@pytest.mark.django_db(transaction=True)
async def test_the_export_streams_what_is_filtered(
    transactional_db: None, async_client: AsyncClient
) -> None:
    alice = await User.objects.acreate(username="alice")
    for rating in (1, -1):
        await _given(alice, rating, "良い")
    await async_client.aforce_login(await _staff("view_feedback", "export_feedback"))
    response: Any = await async_client.get(EXPORT, {"rating__exact": "-1"})
    assert response.is_async and "feedback.jsonl" in response["Content-Disposition"]
    (line,) = lines(b"".join([piece async for piece in response]))
    entry = await LogEntry.objects.aget()
    assert entry.change_message == "Exported as JSON lines."
    row = await Feedback.objects.aget(rating=-1)
    assert line == {
        "id": row.pk,
        "rating": -1,
        "comment": "良い",
        "model": "demo",
        "params": {"seed": 2**62 + 1, "temperature": 1.0},
        "seed": 2**62 + 1,
        "prompt": [{"role": "user", "content": "the secret <i>question</i>"}],
        "answer": "the secret answer",
        "finish_reason": "length",
        "user": alice.pk,
        "message": str(row.message_id),
        "request": str(row.request_id),
        "created": row.created_at.isoformat(),
        "updated": row.updated_at.isoformat(),
    }


def test_the_command_writes_one_line_each_to_a_new_file_of_its_owner(
    alice: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given(alice, comment="two\nlines"), given(alice, -1)
    file = tmp_path / "feedback.jsonl"
    call_command("exportfeedback", str(file))
    rows = lines(file.read_bytes())
    assert [(row["rating"], row["comment"]) for row in rows] == [(1, "two\nlines"), (-1, "")]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "alice" not in file.read_text()
    call_command("exportfeedback")
    assert capsys.readouterr().out == file.read_text()
    for path, said in ((file, "exists already"), (tmp_path / "no" / "f", "cannot be written")):
        with pytest.raises(CommandError, match=said):
            call_command("exportfeedback", str(path))
