"""Staff see figures. Texts only with the setting and the permission, and each reading is logged."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.admin.models import LogEntry
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.urls import reverse

from inference.models import GenerationRequest
from tests.inference.build import a_user
from tests.inference.history import DETAIL, EXPORT, LIST, a_row, client_of, get, listed, staff

pytestmark = pytest.mark.django_db

SECRETS = ("my question", "your answer", "my stop string", "my system prompt")


def a_secret_row() -> GenerationRequest:
    return a_row(
        messages=[
            {"role": "system", "content": "my system prompt"},
            {"role": "user", "content": "my question"},
        ],
        output_text="your answer",
        params={"max_tokens": 64, "stop": ["my stop string"]},
        context={"conversation": "my question"},
    )


def person(kind: str) -> Client:
    if kind == "superuser":
        return client_of(a_user(is_staff=True, is_superuser=True))
    extra = ["read_texts"] if kind == "reader" else []
    return staff("view_generationrequest", *extra)


@pytest.mark.parametrize("kind", ["figures", "reader", "superuser"])
@pytest.mark.parametrize("setting", [False, True])
def test_texts_need_the_setting_and_the_permission(settings: Any, kind: str, setting: bool) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = setting
    row, client = a_secret_row(), person(kind)
    may_read = setting and kind != "figures"
    page = get(client, DETAIL, row.pk)
    assert [secret in page for secret in SECRETS] == [may_read] * len(SECRETS)
    assert (">the log<" in page or "written into the log" in page) == may_read
    assert LogEntry.objects.count() == (1 if may_read else 0)
    for query in ({}, {"q": "question"}, {"_popup": "1"}, {"all": ""}, {"o": "1"}):
        assert not any(secret in get(client, LIST, **query) for secret in SECRETS)
    popup = get(client, DETAIL, row.pk, _popup=1)
    assert any(secret in popup for secret in SECRETS) == may_read


def test_each_reading_is_written_into_the_log(settings: Any) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = True
    row, client = a_secret_row(), person("reader")
    get(client, DETAIL, row.pk)
    get(client, DETAIL, row.pk)
    client.head(reverse(DETAIL, args=[row.pk]))
    first, second = LogEntry.objects.all()
    assert first.object_id == second.object_id == str(row.pk)
    assert first.user_id == second.user_id
    assert "Read what was asked" in first.get_change_message()
    assert not any(secret in str(first.object_repr) for secret in SECRETS)
    history = client.get(reverse("admin:inference_generationrequest_history", args=[row.pk]))
    assert b"Read what was asked" in history.content


LEAKS = [
    "messages__icontains",
    "messages__0__content__startswith",
    "messages__contains",
    "output_text__contains",
    "output_text__regex",
    "output_token_ids__contains",
    "params__icontains",
    "params__stop__0",
    "context__conversation",
    "context__icontains",
    "detail__icontains",
    "reply_group",
    "user__password__startswith",
    "user__email__startswith",
    "user__generation_requests__messages__icontains",
    "user__conversations__title__icontains",
    "worker__requests__output_text__icontains",
]


@pytest.mark.parametrize("lookup", LEAKS)
@pytest.mark.parametrize("setting", [False, True])
def test_no_address_asks_about_a_text(settings: Any, lookup: str, setting: bool) -> None:
    """A filter that is answered by a list with or without the row tells what is in it."""
    settings.INFERENCE_STAFF_SEE_TEXTS = setting
    a_secret_row()
    client = person("superuser")
    for name in (LIST, EXPORT):
        assert client.get(reverse(name), {lookup: "question"}).status_code == 400, name


def test_search_and_order_know_no_texts(settings: Any) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = True
    rows = [a_secret_row(), a_row()]
    client = person("superuser")
    for secret in ("question", "answer", "system prompt", "stop string"):
        assert listed(client, rows, q=secret) == []
    assert client.get(reverse(LIST), {"_to_field": "output_text"}).status_code == 400


@pytest.mark.django_db(transaction=True)
async def test_the_export_has_no_texts_even_for_those_who_may_read_them(settings: Any) -> None:
    settings.INFERENCE_STAFF_SEE_TEXTS = True
    await sync_to_async(a_secret_row)()
    reader = await sync_to_async(a_user)(is_staff=True, is_superuser=True)
    client = AsyncClient()
    await client.aforce_login(reader)
    response = await client.get(reverse(EXPORT))
    assert isinstance(response, StreamingHttpResponse)
    pieces: AsyncIterator[bytes] = response.streaming_content
    content = b"".join([piece async for piece in pieces]).decode()
    assert "small" in content
    assert not any(secret in content for secret in SECRETS)


def test_what_a_model_says_of_a_row_has_no_text_in_it() -> None:
    row = a_secret_row()
    assert not any(secret in str(row) + repr(row) for secret in SECRETS)
