"""What the tests of the admin's history begin with: rows as the queue leaves them, and staff."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from inference.models import GenerationRequest
from tests.inference.build import a_user

LIST = "admin:inference_generationrequest_changelist"
DETAIL = "admin:inference_generationrequest_change"
EXPORT = "admin:inference_generationrequest_export"
USAGE = "admin:inference_usageday_changelist"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_row(user: Any = None, **fields: Any) -> GenerationRequest:
    """An answer of 41 tokens: 2 s in the queue, 0.5 s until the first token, 4 s of them."""
    values: dict[str, Any] = {
        "user": user or a_user(),
        "state": "finished",
        "finish_reason": "stop",
        "group": "members",
        "model": "small",
        "attempt": 1,
        "messages": [{"role": "user", "content": "the question"}],
        "params": {"max_tokens": 64, "temperature": 0.7, "stop": ["the stop"]},
        "reply_group": "user.1",
        "output_text": "the answer",
        "prompt_tokens": 120,
        "cached_tokens": 100,
        "completion_tokens": 41,
        "submitted_at": NOON,
        "claimed_at": after(2),
        "running_since": after(2),
        "first_token_at": after(2.5),
        "ended_at": after(6.5),
        **fields,
    }
    return GenerationRequest.objects.create(**values)


def staff(*permissions: str, **fields: Any) -> Client:
    """A browser of a member of staff with these permissions of the app `inference`."""
    person = a_user(is_staff=True, **fields)
    found = Permission.objects.filter(content_type__app_label="inference", codename__in=permissions)
    assert found.count() == len(permissions)
    person.user_permissions.add(*found)
    return client_of(person)


def client_of(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def get(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(name, args=args), query)
    assert response.status_code == 200, (name, query, response.status_code)
    return response.content.decode()


def listed(client: Client, rows: Iterable[GenerationRequest], **query: Any) -> list[int]:
    """Which of the rows the list shows, in its order."""
    page = get(client, LIST, **query)
    shown = [(page.find(str(reverse(DETAIL, args=[row.pk]))), row.pk) for row in rows]
    return [pk for place, pk in sorted(shown) if place >= 0]
