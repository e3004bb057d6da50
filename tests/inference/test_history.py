"""The history of requests in the admin: what is listed, found and drawn, also when it is long."""

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from inference.admin import history_filters
from inference.admin.timeline import WIDTH, Timeline, timeline_of
from inference.models import GenerationRequest
from inference.queue import abort
from inference.queue.claiming import claim
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of, vanish
from tests.inference.history import DETAIL, LIST, NOON, a_row, after, get, listed, staff

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin(db: None) -> Client:
    return staff("view_generationrequest")


def test_the_list_shows_the_figures_of_each_request(admin: Client) -> None:
    user = a_user(username="zoe")
    a_row(user, worker=a_worker(), priority=3)
    page = get(admin, LIST)
    for shown in ("zoe", "finished", "members", "small", "2.00 s", "2.50 s", "4.00 s", "10.0"):
        assert f">{shown}<" in page, shown
    assert ">120<" in page and ">100<" in page and ">41<" in page


def test_who_may_not_see_requests_sees_none_and_nobody_changes_any() -> None:
    row = a_row()
    nobody, admin = staff(), staff("view_generationrequest")
    for name, args in ((LIST, []), (DETAIL, [row.pk])):
        assert nobody.get(reverse(name, args=args)).status_code == 403
    assert admin.post(reverse(DETAIL, args=[row.pk]), {"state": "failed"}).status_code == 403
    assert admin.post(reverse(LIST), {"action": "delete_selected"}).status_code != 500
    assert GenerationRequest.objects.get().state == "finished"


def test_the_newest_come_first(admin: Client) -> None:
    rows = [a_row() for _ in range(3)]
    assert listed(admin, rows) == [row.pk for row in reversed(rows)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"state__exact": "failed"}, [1]),
        ({"finish_reason": "length"}, [0]),
        ({"model": "large"}, [2]),
        ({"group": "guests"}, [1]),
        ({"submitted_at__year": 2026, "submitted_at__month": 4}, [2]),
        ({"q": "ANN"}, [0, 2]),
        ({"q": "nobody"}, []),
        ({"q": "  "}, [0, 1, 2]),
    ],
)
def test_filters_and_search_find(admin: Client, query: Any, found: list[int]) -> None:
    ann, bob = a_user(username="joanna"), a_user(username="bob")
    rows = [
        a_row(ann, finish_reason="length"),
        a_row(bob, state="failed", finish_reason="failed", group="guests"),
        a_row(ann, model="large", submitted_at=after(30 * 86400)),
    ]
    assert sorted(listed(admin, rows, **query)) == [rows[n].pk for n in found]


def test_a_request_is_found_by_its_id_and_by_the_short_one_of_the_list(admin: Client) -> None:
    rows = [a_row() for _ in range(3)]
    whole = str(rows[1].public_id)
    for words in (whole, whole.upper(), whole[:8], whole.replace("-", "")):
        assert listed(admin, rows, q=words) == [rows[1].pk], words


def test_the_requests_of_a_worker_and_of_a_person(admin: Client) -> None:
    worker, user = a_worker(), a_user()
    rows = [a_row(worker=worker), a_row(user), a_row()]
    a_worker()  # a choice of one is none
    assert listed(admin, rows, worker__id__exact=worker.pk) == [rows[0].pk]
    assert listed(admin, rows, user__id__exact=user.pk) == [rows[1].pk]


def test_models_to_choose_from_are_those_of_new_requests_and_of_workers(admin: Client) -> None:
    a_row(model="asked")
    a_worker(model="loaded")
    page = get(admin, LIST)
    assert "?model=asked" in page and "?model=loaded" in page


def test_a_long_history_is_neither_counted_nor_loaded(
    admin: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_filters, "LISTED_AT_MOST", 150)
    user = a_user()
    a_row(user)
    with CaptureQueriesContext(
        connection,
    ) as few:
        get(admin, LIST)
    GenerationRequest.objects.bulk_create(
        GenerationRequest(user=user, messages=[], params={}, submitted_at=NOON) for _ in range(200)
    )
    with CaptureQueriesContext(connection) as many:
        page = get(admin, LIST)
    assert len(many) == len(few)
    assert "150" in page
    statements = [query["sql"] for query in many if "generationrequest" in query["sql"]]
    for statement in statements:
        for text in ("messages", "output_text", "output_token_ids", "params"):
            assert text not in statement.partition("FROM")[0], statement
        assert "DISTINCT" not in statement or "submitted_at" in statement, statement
        assert "COUNT" not in statement or "LIMIT 150" in statement, statement


# --- The timeline ---


def bars(timeline: Timeline) -> dict[str, tuple[int, int]]:
    return {phase.kind: (phase.x, phase.width) for phase in timeline.phases}


def test_the_phases_of_an_answer_lie_one_after_the_other_to_scale() -> None:
    timeline = timeline_of(a_row(), after(100))
    assert bars(timeline) == {"queued": (0, 308), "prefill": (308, 77), "tokens": (385, 615)}
    assert timeline.summary == "Queued 2.00 s, Prefill 0.50 s, Tokens 4.00 s"
    assert timeline.phases[1].begin_words == "2026-03-02 12:00:02.000"
    assert (timeline.total_words, timeline.notes) == ("6.50 s", [])


NO_TIMES = {"claimed_at": None, "first_token_at": None, "running_since": None, "ended_at": None}
ACTIVE = {"finish_reason": "", "output_text": ""}


@pytest.mark.parametrize(
    ("fields", "summary", "end"),
    [
        ({**NO_TIMES, **ACTIVE, "state": "waiting", "attempt": 0}, "Queued 9.00 s", "until now"),
        (
            {**NO_TIMES, "state": "aborted", "finish_reason": "aborted", "ended_at": after(3)},
            "Queued 3.00 s",
            "2026-03-02 12:00:03.000",
        ),
        (
            {"state": "failed", "first_token_at": None, "ended_at": after(3)},
            "Queued 2.00 s, Prefill 1.00 s",
            "2026-03-02 12:00:03.000",
        ),
    ],
)
def test_phases_that_were_not_reached_are_left_out(
    fields: dict[str, Any], summary: str, end: str
) -> None:
    timeline = timeline_of(a_row(**fields), after(9))
    assert timeline.summary == summary
    assert timeline.phases[-1].end_words == end
    assert all(p.x >= 0 and p.width > 0 and p.x + p.width <= WIDTH for p in timeline.phases)


def test_a_phase_of_no_length_is_still_seen() -> None:
    timeline = timeline_of(a_row(first_token_at=after(6.5), ended_at=after(6.5)), after(9))
    assert bars(timeline)["tokens"] == (WIDTH - 3, 3)


def test_the_detail_of_a_request_in_every_state(admin: Client) -> None:
    a_policy(max_running=1, max_waiting=9)
    worker = a_worker()
    running = a_request()
    claim(worker, 0)
    user = a_user()
    aborted, waiting = a_request(user), a_request()
    abort(str(aborted.public_id), user)
    ended = a_row(worker=worker, slot=3, code="deadline", detail="The time was over.")
    pages = {row.pk: get(admin, DETAIL, row.pk) for row in (running, aborted, waiting, ended)}
    for page in pages.values():
        assert "<svg" in page and 'role="img"' in page and "style=" not in page
    assert "until now" in pages[running.pk] and "until now" in pages[waiting.pk]
    assert "no worker ever had it" in pages[aborted.pk]
    assert "The time was over." in pages[ended.pk] and "deadline" in pages[ended.pk]
    assert "max_tokens=64" in pages[ended.pk]


def test_the_detail_of_a_rescued_request_tells_of_its_attempts(admin: Client) -> None:
    a_policy(max_running=1, max_waiting=9)
    first, second = a_worker(), a_worker()
    row = a_request()
    (claimed,) = claim(first, 0)
    from inference.queue.running import checkpoint

    checkpoint(first, [progress_of(claimed, "so far", 2)])
    vanish(first)
    assert "after attempt 1" in get(admin, DETAIL, row.pk)
    claim(second, 0)
    page = get(admin, DETAIL, row.pk)
    assert "Attempt 2 began at" in page and second.name in page
