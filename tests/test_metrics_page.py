"""Who may read `/metrics`, and that what it says is described and drawn."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from tests.inference.build import a_worker
from tests.support.metrics_page import Page

pytestmark = pytest.mark.django_db

DOCS = Path(__file__).resolve().parents[1] / "docs"
DASHBOARD = DOCS / "grafana" / "chatsite.json"
NAME = re.compile(r"\bchatsite_[a-z0-9_]+")


@pytest.fixture
def page(client: Client) -> Page:
    a_worker(figures={"running": 0})
    return Page(client.get("/metrics").content.decode())


def test_anybody_may_read_it_while_there_is_no_token(client: Client) -> None:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=0.0.4")
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("Bearer the-token", 200),
        ("", 401),
        ("Bearer ", 401),
        ("Bearer the-toke", 401),
        ("Bearer the-token-and-more", 401),
        ("Basic the-token", 401),
        ("Bearer thé-tökén", 401),
    ],
)
def test_with_a_token_only_who_has_it_may(
    client: Client, settings: Any, given: str, status: int
) -> None:
    settings.CHATSITE_METRICS_TOKEN = "the-token"
    answer = client.get("/metrics", headers={"authorization": given} if given else {})
    assert answer.status_code == status
    if status == 401:
        assert answer["WWW-Authenticate"] == "Bearer"
        assert answer.content.startswith(b"Send the header") and b"chatsite_" not in answer.content


def test_it_only_tells_and_is_not_sent_on_to_https(client: Client, settings: Any) -> None:
    assert client.post("/metrics").status_code == 405
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/metrics").status_code == 200
    assert any(re.match(exempt, "metrics") for exempt in django_settings.SECURE_REDIRECT_EXEMPT)


def test_every_metric_is_described_once_and_no_other(page: Page) -> None:
    text = (DOCS / "deployment.md").read_text()
    described = re.findall(r"^\| `(chatsite_\w+)`", text, re.MULTILINE)
    assert sorted(described) == sorted(page.names())


def test_the_description_names_the_labels_of_each_metric(page: Page) -> None:
    text = (DOCS / "deployment.md").read_text()
    rows = re.findall(r"^\| `(chatsite_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    described = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    for family in page.families:
        for sample in family.samples:
            name = family.name + ("_total" if family.type == "counter" else "")
            assert sample.labels.keys() - {"le"} == described[name], name


def _expressions(panels: list[dict[str, Any]]) -> list[str]:
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def test_the_dashboard_draws_only_what_the_page_has(page: Page) -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    expressions = _expressions(dashboard["panels"])
    variables = [json.dumps(one.get("query", "")) for one in dashboard["templating"]["list"]]
    drawn = {name for text in [*expressions, *variables] for name in NAME.findall(text)}
    histograms = {family.name for family in page.families if family.type == "histogram"}
    parts = {f"{name}_{part}" for name in histograms for part in ("bucket", "sum", "count")}
    assert len(expressions) > 20
    assert drawn - page.names() - parts == set()


def test_the_dashboard_draws_all_that_the_page_has(page: Page) -> None:
    text = DASHBOARD.read_text()
    drawn = {re.sub(r"_(bucket|sum|count)$", "", name) for name in NAME.findall(text)}
    assert page.names() - drawn == set()


def test_the_panels_of_the_dashboard_stand_beside_each_other() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    cells = [
        (x, y)
        for panel in panels
        for at in [panel["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(cells) == len(set(cells)) and max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
