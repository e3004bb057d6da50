"""Pages and the database: connections end with requests, and its absence is said so."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection, connections
from django.test import Client

from chatsite.pages import closing_connections


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [False, True])
async def test_a_connection_ends_with_its_request(fails: bool) -> None:
    used: list[Any] = []

    def query() -> None:
        connection.ensure_connection()
        used.append(connections["default"])
        assert used[0].connection is not None
        if fails:
            raise ValueError

    async def page(scope: Any, receive: Any, send: Any) -> None:
        await sync_to_async(query)()

    try:
        await closing_connections(page)({"type": "http"}, None, None)
    except ValueError:
        assert fails
    assert used[0].connection is None


@pytest.mark.parametrize(("error", "status"), [(OperationalError, 503), (ValueError, 500)])
def test_a_page_says_that_the_database_is_away(
    db: None, monkeypatch: pytest.MonkeyPatch, error: type[Exception], status: int
) -> None:
    def broken(*args: Any, **kwargs: Any) -> Any:
        raise error("sorry, too many clients already")

    monkeypatch.setattr("chatsite.chat.views.render", broken)
    answer = Client(raise_request_exception=False).get("/")
    assert answer.status_code == status
    assert answer.headers.get("Retry-After", "") == ("3" if status == 503 else "")
    assert str(status).encode() in answer.content
    assert b"too many clients" not in answer.content
