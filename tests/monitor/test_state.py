"""What the live page is told: figures of everything that waits, runs or works, and what changed."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.models import WorkerNode
from inference.monitor.state import changes, read_state
from inference.queue import Group, running
from inference.queue.claiming import claim
from inference.queue.steering import let_worker_take
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of

pytestmark = pytest.mark.django_db

SECRET = "a prompt that staff must not see"


@pytest.fixture
def worker() -> WorkerNode:
    a_policy(max_running=2, max_waiting=10, max_running_per_user=1)
    return a_worker(model="tiny", device="cuda:0", figures={"tokens_per_s": 38.5, "kv_used": 0.25})


def test_who_runs_is_shown_with_worker_tokens_and_times(worker: WorkerNode) -> None:
    ann = a_user(username="ann")
    request = a_request(ann, group=Group.STAFF)
    claim(worker, 0)
    request.refresh_from_db()
    running.checkpoint(worker, [progress_of(request, "Hello", 3)])
    row = read_state()["requests"][str(request.public_id)]
    assert (row["user"], row["group"], row["state"]) == ("ann", "staff", "running")
    assert (row["worker"], row["completion_tokens"]) == (worker.name, 3)
    assert row["submitted_at"] <= row["claimed_at"] <= row["first_token_at"]


def test_who_waits_is_listed_in_the_order_of_the_claims(worker: WorkerNode) -> None:
    ann, bob = a_user(username="ann"), a_user(username="bob")
    first, second, third = a_request(ann), a_request(ann), a_request(bob)
    claim(worker, 1)
    state = read_state()
    assert [key for key, _eta in state["order"]] == [str(third.public_id), str(second.public_id)]
    held = {key: row.get("held_back") for key, row in state["requests"].items()}
    assert held == {
        str(first.public_id): None,  # it runs
        str(second.public_id): "share",  # ann may run one
        str(third.public_id): "",
    }
    assert state["totals"]["waiting"] == 2
    assert state["totals"]["running"] == 1
    assert state["totals"]["places"] == 2


def test_a_worker_is_shown_with_its_figures_and_whether_it_takes_requests(
    worker: WorkerNode,
) -> None:
    let_worker_take(worker.name, False)
    row = read_state()["workers"][worker.name]
    assert (row["model"], row["device"], row["tokens_per_s"]) == ("tiny", "cuda:0", 38.5)
    assert (row["live"], row["accepts"], row["running"]) == (True, False, 0)


def test_no_text_of_anybody_is_in_it(worker: WorkerNode) -> None:
    request = a_request(text=SECRET)
    a_request(text=SECRET)
    claim(worker, 1)
    request.refresh_from_db()
    running.checkpoint(worker, [progress_of(request, SECRET, 2)])
    assert SECRET not in json.dumps(read_state())


fields = st.dictionaries(st.sampled_from("abc"), st.integers(0, 2) | st.none(), max_size=3)
rows = st.dictionaries(
    st.sampled_from("xyz"), st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.integers(0, 2)})
)
states = st.fixed_dictionaries(
    {"requests": rows, "workers": rows, "order": st.lists(st.integers(0, 2)), "policy": fields}
)


def applied(before: dict[str, Any], news: dict[str, Any]) -> dict[str, Any]:
    """As the page does it (static/js/monitor/queue_state.js)."""
    after = copy.deepcopy(before)
    for name, section in news.items():
        if name not in ("requests", "workers"):
            after[name] = section
            continue
        for key, row in section["set"].items():
            after[name][key] = {**after[name].get(key, {}), **row}
        for key in section["gone"]:
            del after[name][key]
    return after


@given(states, states)
def test_what_changed_turns_one_state_into_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    news = changes(before, after)
    assert applied(before, news) == after
    assert changes(after, after) == {}
