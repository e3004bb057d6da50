"""Samples of the queue over time: what they count, and how many are shown."""

from datetime import timedelta

import pytest

from inference.models import GenerationRequest, QueueSample, WorkerNode
from inference.queue import running
from inference.queue.claiming import claim
from inference.queue.clock import database_now
from inference.queue.running import Ending
from inference.queue.samples import newest_sample, samples_after, samples_of, take_sample
from inference.queue.workers import report
from tests.inference.build import a_policy, a_request, progress_of

pytestmark = pytest.mark.django_db


def test_a_sample_counts_who_waits_and_runs_and_how_fast_all_workers_are(
    worker: WorkerNode,
) -> None:
    a_policy(max_running=2, max_waiting=10)
    for _ in range(3):
        a_request()
    claim(worker, 0)
    report(worker, figures={"tokens_per_s": 12.5})
    sample = take_sample()
    assert (sample.running, sample.waiting, sample.places) == (2, 1, 2)
    assert sample.tokens_per_s == 12.5


def test_its_times_are_of_what_began_in_the_last_minute_whether_over_or_not(
    worker: WorkerNode,
) -> None:
    now = database_now()
    requests = [a_request() for _ in range(4)]
    claim(worker, 0)
    for seconds, request in zip((2, 4, 6, 300), requests, strict=True):
        GenerationRequest.objects.filter(pk=request.pk).update(
            submitted_at=now - timedelta(seconds=seconds),
            claimed_at=now - timedelta(seconds=200 if seconds == 300 else 0),
            first_token_at=now,
        )
    request = GenerationRequest.objects.get(pk=requests[0].pk)
    running.finish(worker, Ending(progress_of(request, "x", 1), "stop"))
    sample = take_sample()
    assert sample.queue_p50 == pytest.approx(4.0, abs=0.01)
    assert sample.queue_p95 == pytest.approx(5.8, abs=0.01)
    assert sample.ttft_p95 is not None and sample.ttft_p95 > 200


def test_a_time_without_anything_new_has_no_percentiles(worker: WorkerNode) -> None:
    sample = take_sample()
    assert (sample.queue_p50, sample.ttft_p95) == (None, None)


def test_many_samples_come_as_few_points_that_keep_the_peaks() -> None:
    now = database_now()
    for second in range(100):
        QueueSample.objects.create(
            at=now - timedelta(seconds=second),
            waiting=second % 2 * 10,
            running=1,
            places=2,
            tokens_per_s=5.0,
            queue_p95=50.0 if second == 30 else 1.0,
        )
    points = samples_of(60.5, most=10)
    assert len(points) <= 10
    assert [point["at"] for point in points] == sorted(point["at"] for point in points)
    assert max(point["queue_p95"] for point in points) == 50.0
    assert all(4 <= point["waiting"] <= 6 for point in points[:-1])


def test_who_has_some_is_told_of_the_newer_ones_only(worker: WorkerNode) -> None:
    assert newest_sample() == 0
    first, second = take_sample(), take_sample()
    assert newest_sample() == second.pk
    assert [key for key, _point in samples_after(first.pk)] == [second.pk]
