"""The history as CSV: what the list shows, page by page, and nothing that a sheet computes."""

import csv
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import reverse

from inference.admin import history_export
from inference.admin.csv_files import BOM, defused, line
from inference.models import GenerationRequest
from inference.queue.days import today
from tests.inference.build import a_user
from tests.inference.history import EXPORT, NOON, a_row, staff
from tests.support.hostile import hostile_texts


def rows_of(content: str) -> list[dict[str, str]]:
    assert content.startswith(BOM)
    return list(csv.DictReader(StringIO(content.removeprefix(BOM), newline="")))


async def export(**query: Any) -> list[bytes]:
    """The pieces in which the file comes."""
    person = await sync_to_async(a_user)(is_staff=True, is_superuser=True)
    client = AsyncClient()
    await client.aforce_login(person)
    response = await client.get(reverse(EXPORT), query)
    assert response.status_code == 200
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    day = await sync_to_async(today)()
    name = f"requests-{day.isoformat()}.csv"
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert isinstance(response, StreamingHttpResponse)
    pieces: AsyncIterator[bytes] = response.streaming_content
    return [piece async for piece in pieces]


@pytest.mark.django_db(transaction=True)
async def test_the_export_has_the_figures_of_what_is_filtered() -> None:
    user = await sync_to_async(a_user)(username="山田")
    await sync_to_async(a_row)(user, code="x")
    await sync_to_async(a_row)(state="failed")
    (row,) = rows_of(b"".join(await export(state__exact="finished")).decode())
    stored = await GenerationRequest.objects.aget(state="finished")
    assert row["request"] == str(stored.public_id)
    assert row["user"] == "山田"
    assert row["submitted"] == "2026-03-02T12:00:00.000+00:00"
    assert (row["queue_s"], row["ttft_s"], row["decode_s"]) == ("2.0", "2.5", "4.0")
    assert (row["prompt_tokens"], row["completion_tokens"]) == ("120", "41")


@pytest.mark.django_db(transaction=True)
async def test_the_export_comes_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_export, "PAGE", 10)
    user = await sync_to_async(a_user)()
    await GenerationRequest.objects.abulk_create(
        GenerationRequest(user=user, messages=[], params={}, submitted_at=NOON) for _ in range(25)
    )
    pieces = await export()
    assert [piece.count(b"\r\n") for piece in pieces] == [1, 10, 10, 5]
    ids = [row["request"] for row in rows_of(b"".join(pieces).decode())]
    newest = GenerationRequest.objects.order_by("-id").values_list("public_id", flat=True)
    assert ids == [str(one) async for one in newest]


@pytest.mark.django_db
def test_the_export_is_for_those_who_may_see_requests() -> None:
    assert staff().get(reverse(EXPORT)).status_code == 403
    may = staff("view_generationrequest")
    assert may.get(reverse(EXPORT), {"submitted_at__year": "x"}).status_code == 400


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "\r=1", " =1", "\n=1", "＝1"])
def test_a_cell_that_begins_like_a_formula_is_text(text: str) -> None:
    assert str(defused(text)).startswith("'")


def test_other_cells_stay_as_they_are() -> None:
    for cell in ("alice", "a=1", "山田", "", -3, 0.5, None):
        assert defused(cell) == cell


def test_every_hostile_text_stays_in_its_cell() -> None:
    for text in hostile_texts():
        (cells,) = csv.reader(StringIO(line(["before", text, "after"]), newline=""))
        assert (cells[0], cells[2], len(cells)) == ("before", "after", 3)
        assert not cells[1].startswith(("=", "+", "-", "@", "\t", "\r"))
        assert not set(cells[1]) & set("\u202e\u2067\u200b\ufeff\x1b\x08")
