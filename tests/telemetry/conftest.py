"""A process that has counted nothing yet."""

from collections.abc import Callable, Iterator

import pytest
from django.test import Client

from inference.telemetry.counting import flusher, totals
from tests.support.metrics_page import Page

Scrape = Callable[[], Page]


@pytest.fixture(autouse=True)
def nothing_counted() -> Iterator[None]:
    """Other tests' events went to the same totals; and ours shall not go to theirs."""
    totals.take()
    yield
    totals.take()


@pytest.fixture
def scrape(client: Client) -> Scrape:
    """What `/metrics` says once this process has written down what it counted."""

    def scraped() -> Page:
        assert flusher.flush()
        answer = client.get("/metrics")
        assert answer.status_code == 200
        return Page(answer.content.decode())

    return scraped
