"""What the buttons do, what they say, and what the log of the admin keeps of it."""

import uuid
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from chatsite.accounts.models import User
from inference.models import WorkerNode
from inference.queue import places
from inference.queue.claiming import claim
from inference.queue.policy import current_policy
from tests.inference.build import a_policy, a_request, a_worker

pytestmark = pytest.mark.django_db

PAGE = "/admin/inference/queue/"


class Desk:
    """Somebody who may steer, at the live page."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def press(self, address: str, **fields: Any) -> Any:
        return self.client.post(PAGE + address, fields)


@pytest.fixture
def desk(steerer: User) -> Desk:
    return Desk(steerer)


@pytest.fixture
def worker() -> WorkerNode:
    a_policy(max_running=1, max_waiting=10)
    return a_worker()


def said(answer: Any) -> str:
    detail: str = answer.json()["detail"]
    return detail


def test_abort_ends_what_waits_and_flags_what_runs(desk: Desk, worker: WorkerNode) -> None:
    runs, waits = a_request(), a_request()
    claim(worker, 0)
    for request in (runs, waits):
        assert desk.press(f"requests/{request.public_id}/abort/").status_code == 200
        request.refresh_from_db()
    assert (runs.state, runs.abort_requested) == ("running", True)
    assert waits.state == "aborted"


def test_what_is_over_cannot_be_aborted_and_the_answer_says_so(
    desk: Desk, worker: WorkerNode
) -> None:
    request = a_request()
    desk.press(f"requests/{request.public_id}/abort/")
    again = desk.press(f"requests/{request.public_id}/abort/")
    assert (again.status_code, said(again)) == (409, "This request is over already.")
    unknown = desk.press(f"requests/{uuid.uuid4()}/abort/")
    assert (unknown.status_code, said(unknown)) == (404, "This is not in the queue any more.")


def test_front_and_priority_reorder_the_queue(desk: Desk, worker: WorkerNode) -> None:
    first, second, third = a_request(), a_request(), a_request()
    desk.press(f"requests/{third.public_id}/front/")
    desk.press(f"requests/{first.public_id}/priority/", priority="-3")
    order = [place.public_id for place in places()]
    assert order == [str(one.public_id) for one in (third, second, first)]
    wrong = desk.press(f"requests/{first.public_id}/priority/", priority="much")
    assert (wrong.status_code, said(wrong)) == (409, "A priority is a whole number.")


def test_a_paused_queue_starts_nothing_until_it_is_resumed(desk: Desk, worker: WorkerNode) -> None:
    request = a_request()
    desk.press("pause/")
    assert claim(worker, 0) == []
    desk.press("resume/")
    assert [one.pk for one in claim(worker, 0)] == [request.pk]


def test_a_worker_is_drained_and_takes_requests_again(desk: Desk, worker: WorkerNode) -> None:
    a_request()
    desk.press(f"workers/{worker.name}/drain/")
    assert claim(worker, 0) == []
    desk.press(f"workers/{worker.name}/undrain/")
    assert len(claim(worker, 0)) == 1


def test_limits_that_were_sent_change_and_the_others_stay(desk: Desk, worker: WorkerNode) -> None:
    answer = desk.press("limits/", max_running="3", order="fifo")
    assert (answer.status_code, said(answer)) == (200, "The limits are changed.")
    policy = current_policy()
    assert (policy.max_running, policy.max_waiting, policy.order) == (3, 10, "fifo")
    assert said(desk.press("limits/", max_running="3")) == "Nothing was different."


@pytest.mark.parametrize(
    ("field", "value"),
    [("max_running", "0"), ("max_running", "-1"), ("max_waiting", "many"), ("order", "chaos")],
)
def test_limits_that_make_no_sense_are_refused_field_by_field(
    desk: Desk, worker: WorkerNode, field: str, value: str
) -> None:
    answer = desk.press("limits/", **{field: value})
    assert answer.status_code == 400
    assert answer.json()["errors"][field]
    assert (current_policy().max_running, current_policy().max_waiting) == (1, 10)


def test_a_notice_is_shown_and_taken_down(desk: Desk, worker: WorkerNode) -> None:
    desk.press("notice/", notice="The GPU is away at six.")
    assert current_policy().notice == "The GPU is away at six."
    desk.press("notice/", notice="")
    assert current_policy().notice == ""
    assert desk.press("notice/", notice="x" * 301).status_code == 400


def test_everything_that_is_done_is_in_the_log_with_who_did_it(
    desk: Desk, worker: WorkerNode, steerer: User
) -> None:
    request, other = a_request(), a_request()
    desk.press(f"requests/{other.public_id}/front/")
    desk.press(f"requests/{request.public_id}/priority/", priority="5")
    desk.press(f"requests/{request.public_id}/abort/")
    desk.press("pause/")
    desk.press("resume/")
    desk.press(f"workers/{worker.name}/drain/")
    desk.press(f"workers/{worker.name}/undrain/")
    desk.press("limits/", max_waiting="9")
    desk.press("notice/", notice="Hello")
    entries = list(LogEntry.objects.order_by("pk"))
    assert [entry.get_change_message() for entry in entries] == [
        "Moved to the front.",
        "Priority is now 5.",
        "Aborted on the live page.",
        "Paused: nothing new starts.",
        "The queue runs again.",
        "Drained: it takes nothing new.",
        "Takes requests again.",
        "Waiting at most: 9",
        "Notice to everybody: Hello",
    ]
    assert {entry.user_id for entry in entries} == {steerer.pk}
    assert entries[0].object_id == str(other.pk)
    assert entries[0].get_edited_object() == other


def test_what_was_not_done_is_not_in_the_log(desk: Desk, worker: WorkerNode) -> None:
    desk.press(f"requests/{uuid.uuid4()}/front/")
    desk.press("limits/", max_running="0")
    desk.press("workers/nobody/drain/")
    assert not LogEntry.objects.exists()


def test_the_form_of_all_limits_changes_only_what_was_changed_in_it(admin_client: Client) -> None:
    a_policy(max_running=2, max_waiting=4)
    page = admin_client.get("/admin/inference/queuepolicy/1/change/")
    fields = {
        name: ("" if value is None else value)
        for name, value in page.context["adminform"].form.initial.items()
    }
    fields.pop("paused")
    a_policy(max_waiting=8)  # somebody else, meanwhile
    admin_client.post("/admin/inference/queuepolicy/1/change/", {**fields, "max_running": 3})
    assert (current_policy().max_running, current_policy().max_waiting) == (3, 4)
    assert LogEntry.objects.count() == 1


def test_priorities_of_kinds_of_people_have_bounds(admin_client: Client) -> None:
    a_policy()
    page = admin_client.get("/admin/inference/queuepolicy/1/change/")
    fields = dict(page.context["adminform"].form.initial)
    fields.pop("paused")
    answer = admin_client.post(
        "/admin/inference/queuepolicy/1/change/", {**fields, "priority_staff": 101}
    )
    assert "A priority must be between -100 and 100." in answer.text
    assert current_policy().priority_staff == 2
