"""Liveness, readiness, and what they leave in the log."""

import logging

import pytest
from django.test import Client

from tests.inference.build import a_worker

pytestmark = pytest.mark.django_db


def test_healthz_answers_while_the_process_lives(client: Client) -> None:
    assert client.get("/healthz").content == b"ok"


def test_readyz_is_red_without_a_ready_worker_and_green_with_one(client: Client) -> None:
    a_worker(state="starting")
    red = client.get("/readyz")
    assert (red.status_code, red.json()["ready"]) == (503, False)
    a_worker()
    green = client.get("/readyz")
    assert (green.status_code, green.json()) == (200, {"ready": True, "workers": 1})


def test_a_probe_that_hears_not_yet_leaves_no_error_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/readyz")
        client.get("/no-such-page/")
    logged = [record.getMessage() for record in caplog.records if record.name == "django.request"]
    assert logged == ["Not Found: /no-such-page/"]
