"""What `/metrics` says of the queue, on this process's own database."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from inference.models import GenerationRequest, MetricTotal, WorkerNode
from inference.queue import Group, Refused, abort, running
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.running import Ending
from inference.telemetry.definitions import COUNTERS, HISTOGRAMS
from tests.inference.build import a_policy, a_request, a_user, a_worker, progress_of, vanish
from tests.support.metrics_page import Page, problems
from tests.telemetry.conftest import Scrape

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def worker() -> WorkerNode:
    """The only one, with one place; two may wait."""
    a_policy(max_running=1, max_waiting=2)
    return a_worker(model="m", figures={"running": 1, "step_ms": 20.0, "memory_total": 8.0})


def ended(worker: WorkerNode, reason: str = "stop", tokens: int = 3) -> GenerationRequest:
    """The next request, answered."""
    (request,) = claim(worker, 0)
    running.checkpoint(worker, [progress_of(request, "a", 1)])
    row = running.finish(worker, Ending(progress_of(request, "abc", tokens), reason))
    assert row is not None
    return row


def test_a_site_that_nobody_has_used_has_every_series_at_zero(
    worker: WorkerNode, scrape: Scrape
) -> None:
    page = scrape()
    for counter in COUNTERS:
        assert page.samples(counter.name), counter
    for histogram in HISTOGRAMS:
        assert len(page.samples(f"{histogram.name}_bucket")) > len(histogram.buckets)
    assert set(page.lasting().values()) == {0.0}


def test_a_strict_reader_finds_nothing_wrong_with_an_empty_page_and_a_full_one(
    worker: WorkerNode, scrape: Scrape
) -> None:
    assert problems(scrape().text) == []
    a_request(group=Group.STAFF)
    ended(worker)
    a_request()
    hostile = a_worker(model='q"uo\\te\n' * 20, figures={"kv_used": 0.5})
    ended(hostile, "failed")
    assert problems(scrape().text) == []


def test_the_strict_reader_sees_what_is_wrong() -> None:
    """The lint itself: a page with one fault of each kind."""
    page = Page("# HELP a_ms A\n# TYPE a_ms gauge\na_ms 1\na_ms 1\n")
    assert len(problems(page.text)) == 3
    shrinking = (
        "# HELP h H.\n# TYPE h histogram\n"
        'h_bucket{le="1.0"} 3\nh_bucket{le="+Inf"} 2\nh_count 2\nh_sum 1\n'
    )
    assert len(problems(shrinking)) == 1
    assert len(problems("# TYPE b gauge\nb 1\n")) == 2


def test_whoever_accepts_openmetrics_gets_it(worker: WorkerNode, client: Client) -> None:
    accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
    answer = client.get("/metrics", headers={"accept": accept})
    assert answer["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    families = list(text_string_to_metric_families(answer.content.decode()))
    assert {family.name for family in families} >= {"chatsite_rescues", "chatsite_worker_up"}


def test_an_answer_is_counted_once_with_its_tokens_and_times(
    worker: WorkerNode, scrape: Scrape
) -> None:
    a_request(group=Group.STAFF)
    row = ended(worker, tokens=5)
    page = scrape()
    assert page.sum("chatsite_requests_submitted_total") == 1
    assert page.sum("chatsite_requests_submitted_total", group="staff") == 1
    assert page.sum("chatsite_request_success_total") == 1
    assert page.sum("chatsite_request_success_total", finished_reason="stop", model_name="m") == 1
    assert page.sum("chatsite_prompt_tokens_total", model_name="m") == row.prompt_tokens
    assert page.sum("chatsite_generation_tokens_total", model_name="m") == 5
    assert page.sum("chatsite_request_queue_time_seconds_count", group="staff") == 1
    for histogram in HISTOGRAMS:
        assert page.sum(f"{histogram.name}_count") == 1, histogram
    timings = row.timings()
    first = page.sum("chatsite_time_to_first_token_seconds_sum")
    assert first == pytest.approx(timings["ttft_s"], abs=0.001)
    decode = page.sum("chatsite_request_decode_time_seconds_sum")
    assert decode == pytest.approx(timings["decode_s"], abs=0.001)
    per_token = page.sum("chatsite_request_time_per_output_token_seconds_sum")
    assert per_token == pytest.approx(decode / 4)


def test_what_is_aborted_while_it_waits_has_no_times(worker: WorkerNode, scrape: Scrape) -> None:
    user = a_user()
    abort(str(a_request(user).public_id), user)
    page = scrape()
    assert page.sum("chatsite_request_success_total") == 1
    assert page.sum("chatsite_request_success_total", finished_reason="aborted", model_name="") == 1
    assert {page.sum(f"{histogram.name}_count") for histogram in HISTOGRAMS} == {0}


def test_refusals_are_counted_by_their_reason(worker: WorkerNode, scrape: Scrape) -> None:
    a_policy(max_running=1, max_waiting=0)
    a_request()
    for fields in ({}, {"params": {"temperature": -1}}, {"model": "none"}):
        with pytest.raises(Refused):
            a_request(**fields)
    page = scrape()
    assert page.sum("chatsite_requests_rejected_total") == 3
    assert page.sum("chatsite_requests_rejected_total", reason="queue_full") == 1
    assert page.sum("chatsite_requests_rejected_total", reason="invalid") == 2


def test_a_rescued_request_is_one_request_with_one_wait(worker: WorkerNode, scrape: Scrape) -> None:
    a_request()
    (request,) = claim(worker, 0)
    running.checkpoint(worker, [progress_of(request, "a", 1)])
    vanish(worker)
    ended(worker)
    page = scrape()
    assert page.sum("chatsite_rescues_total") == 1
    assert page.sum("chatsite_request_success_total") == 1
    for histogram in HISTOGRAMS:
        assert page.sum(f"{histogram.name}_count") == 1, histogram


def test_an_engine_that_died_is_counted_and_a_drain_is_not(
    worker: WorkerNode, scrape: Scrape
) -> None:
    for died in (False, True, True):
        running.hand_back(worker, [], engine_died=died)
    assert scrape().sum("chatsite_engine_deaths_total", model_name="m") == 2


def test_waiting_and_running_are_told_by_class(worker: WorkerNode, scrape: Scrape) -> None:
    first, second, _third = (
        a_request(group=group) for group in (Group.STAFF, Group.GUESTS, Group.GUESTS)
    )
    claim(worker, 0)
    long_ago = database_now() - timedelta(seconds=90)
    GenerationRequest.objects.filter(pk__in=[first.pk, second.pk]).update(submitted_at=long_ago)
    page = scrape()
    assert page.sum("chatsite_num_requests_running", group="staff", model_name="m") == 1
    assert page.sum("chatsite_num_requests_running") == 1
    assert page.sum("chatsite_num_requests_waiting", group="guests") == 2
    assert page.sum("chatsite_num_requests_waiting", group="members") == 0
    oldest = page.sum("chatsite_queue_oldest_wait_seconds", group="guests")
    assert oldest == pytest.approx(90, abs=10)
    assert page.sum("chatsite_queue_oldest_wait_seconds", group="staff") == 0


def test_the_bounds_and_the_switch_of_the_queue_are_told(
    worker: WorkerNode, scrape: Scrape
) -> None:
    a_policy(max_running=3, max_waiting=7, paused=True)
    page = scrape()
    assert page.samples("chatsite_queue_places", model_name="m") == [3]
    assert page.samples("chatsite_queue_max_waiting") == [7]
    assert page.samples("chatsite_queue_paused") == [1]


def test_workers_are_told_with_what_they_last_said(worker: WorkerNode, scrape: Scrape) -> None:
    a_worker(state="stopped")
    loading = a_worker(state="starting", model="")
    page = scrape()
    name = worker.name
    up = page.samples("chatsite_worker_up")
    assert (up, page.samples("chatsite_worker_up", worker=name, host="host")) == ([1, 1], [1])
    assert page.sum("chatsite_worker_state", worker=name, state="ready") == 1
    assert page.sum("chatsite_worker_state", worker=loading.name, state="starting") == 1
    assert page.sum("chatsite_worker_state", worker=name) == 1
    assert page.samples("chatsite_worker_step_seconds") == [pytest.approx(0.02)]
    assert page.samples("chatsite_worker_memory_total_bytes", worker=name) == [8]


def test_a_worker_that_fell_silent_is_down_before_it_is_gone(
    worker: WorkerNode, scrape: Scrape
) -> None:
    def silent_for(seconds: float) -> list[float]:
        then = database_now() - timedelta(seconds=seconds)
        WorkerNode.objects.filter(pk=worker.pk).update(heartbeat_at=then)
        return scrape().samples("chatsite_worker_up", worker=worker.name)

    assert [silent_for(seconds) for seconds in (0, 30, 7200)] == [[1], [0], []]


def test_counts_outlast_the_requests_and_workers_that_they_are_of(
    worker: WorkerNode, scrape: Scrape
) -> None:
    a_request()
    ended(worker)
    before = scrape().lasting()
    GenerationRequest.objects.all().delete()
    WorkerNode.objects.all().delete()
    assert scrape().lasting() == before


def test_a_bucket_of_another_version_is_told_in_the_next_larger_one(
    worker: WorkerNode, scrape: Scrape
) -> None:
    name = "chatsite_request_prompt_tokens"
    labels = '{"le":"3","model_name":"m"}'
    MetricTotal.objects.create(name=f"{name}_bucket", labels=labels, value=4)
    page = scrape()
    below, above = (page.sum(f"{name}_bucket", le=le) for le in ("2.0", "5.0"))
    assert (below, above, page.sum(f"{name}_count")) == (0, 4, 4)


def test_the_page_names_no_person_and_no_text(worker: WorkerNode, scrape: Scrape) -> None:
    user = a_user(username="rumpelstiltskin", email="r@example.org")
    a_request(user, "the secret of the day")
    ended(worker)
    text = scrape().text
    for private in ("rumpelstiltskin", "r@example.org", "secret", "abc"):
        assert private not in text
    assert get_user_model().objects.get().username == "rumpelstiltskin"
