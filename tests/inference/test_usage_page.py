"""The usage page for staff: periods, tables, CSV, and who may see it."""

import csv
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Group as AuthGroup
from django.test import Client
from django.urls import reverse

from inference.models import UsageDay
from inference.queue.clock import database_now
from inference.queue.days import today
from tests.inference.build import a_user
from tests.inference.history import USAGE, a_row, get, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> Client:
    return staff("view_usageday")


def ended(user: Any, days_ago: int = 0, **fields: Any) -> None:
    end = database_now() - timedelta(days=days_ago)
    times = {"claimed_at": end, "first_token_at": end, "ended_at": end}
    a_row(user, submitted_at=end - timedelta(seconds=2), **times, **fields)


def table(client: Client, **query: Any) -> dict[str, list[str]]:
    response = client.get(reverse(USAGE), {"format": "csv", **query})
    assert response.status_code == 200
    header, *rows = csv.reader(StringIO(response.content.decode("utf-8-sig"), newline=""))
    assert header[1:3] == ["requests", "tokens"]
    return {name: figures for name, *figures in rows}


def test_it_needs_its_permission() -> None:
    for client in (staff(), staff("view_generationrequest"), Client()):
        assert client.get(reverse(USAGE)).status_code in (302, 403)
        assert client.get(reverse(USAGE), {"format": "csv"}).status_code in (302, 403)


def test_usage_by_person_group_model_and_day(admin: Client) -> None:
    zoe, tom = a_user(username="zoe"), a_user(username="tom")
    AuthGroup.objects.create(name="physics").user_set.add(zoe)
    ended(zoe)
    ended(zoe, 1, model="large")
    ended(tom, group="guests")
    UsageDay.objects.create(user=zoe, day=today(), model="small", requests=5, prompt_tokens=7)
    figures = ["7", "129", "247", "200", "82", "0.571", "4.0"]
    assert table(admin) == {
        "zoe": figures,
        "tom": ["1", "61", "120", "100", "41", "2.0", "2.0"],
    }
    assert table(admin, by="group")["physics"] == figures
    assert table(admin, by="group")["guests in no group"][0] == "1"
    assert {name: row[0] for name, row in table(admin, by="model").items()} == {
        "small": "7",
        "large": "1",
    }
    assert list(table(admin, by="day")) == [
        today().isoformat(),
        (today() - timedelta(days=1)).isoformat(),
    ]
    page = get(admin, USAGE)
    assert "zoe" in page and "Total" in page and "<svg" in page and "style=" not in page
    assert "usage-by" not in page and "4.0 s" in page


def test_a_period_is_some_last_days_or_from_one_day_to_another(admin: Client) -> None:
    user = a_user(username="zoe")
    for days_ago in (0, 7, 30, 90):
        ended(user, days_ago)
    assert [table(admin, days=n)["zoe"][0] for n in (7, 30, 90)] == ["1", "2", "3"]
    day = (today() - timedelta(days=90)).isoformat()
    assert table(admin, first=day, last=day)["zoe"][0] == "1"


@pytest.mark.parametrize(
    "query",
    [
        {"days": "x"},
        {"first": "x", "last": "y"},
        {"first": "2026-01-02", "last": "2026-01-01"},
        {"first": "2020-01-01", "last": "2026-01-01"},
        {"first": "2026-01-01"},
        {"first": "0001-01-01", "last": "0001-01-01"},
        {"first": "9999-12-31", "last": "9999-12-31"},
        {"by": "password", "sort": "password"},
    ],
)
def test_what_is_no_period_shows_the_last_days_and_says_so(admin: Client, query: Any) -> None:
    a_row()
    page = get(admin, USAGE, **query)
    assert "first" not in query or "errorlist" in page


def test_the_table_is_sorted_by_the_column_that_is_asked_for(admin: Client) -> None:
    a, b = a_user(username="a"), a_user(username="b")
    ended(a, completion_tokens=1000)
    ended(b)
    ended(b)
    assert list(table(admin)) == ["a", "b"]
    assert list(table(admin, sort="requests")) == ["b", "a"]
    assert 'aria-sort="descending"' in get(admin, USAGE, sort="requests")


def test_names_in_the_file_are_no_formulas(admin: Client) -> None:
    ended(a_user(username="@sum"))
    assert list(table(admin)) == ["'@sum"]


def test_a_long_table_is_cut_and_the_file_is_not(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.admin.usage.LISTED_AT_MOST", 1)
    for name in ("zoe", "tom", "ann"):
        ended(a_user(username=name))
    assert "2 more are in the CSV file." in get(admin, USAGE)
    assert len(table(admin)) == 3
