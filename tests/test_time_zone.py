"""The time zone of the site is a name that the machine knows."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from chatsite.env import env_time_zone

NAME = "CHATSITE_TIME_ZONE"


@pytest.mark.parametrize(("given", "found"), [("", "UTC"), (" Asia/Tokyo ", "Asia/Tokyo")])
def test_a_known_zone_or_the_default(
    monkeypatch: pytest.MonkeyPatch, given: str, found: str
) -> None:
    monkeypatch.setenv(NAME, given)
    assert env_time_zone(NAME, "UTC") == found


@pytest.mark.parametrize("given", ["Mars/Olympus", "../etc/passwd", "/etc/localtime", "x" * 999])
def test_anything_else_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(NAME, given)
    with pytest.raises(ImproperlyConfigured, match="must name a time zone"):
        env_time_zone(NAME, "UTC")
