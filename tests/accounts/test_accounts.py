"""Sign-up, login and logout."""

from typing import Any

import pytest
from django.test import Client

from chatsite.accounts.models import User

pytestmark = pytest.mark.django_db

PASSWORD = "alice-knows-it"
FOREIGN = ("https://evil.example/", "//evil.example/", "https:evil.example", "javascript:alert(1)")


def log_in(client: Client, **fields: str) -> Any:
    return client.post("/accounts/login/", {"username": "alice", "password": PASSWORD, **fields})


def sign_up(client: Client, **fields: str) -> Any:
    names = {"username": "carol", "password1": PASSWORD, "password2": PASSWORD}
    return client.post("/accounts/signup/", {**names, **fields})


def user_of(client: Client) -> str | None:
    return client.session.get("_auth_user_id")


def test_signing_up_makes_an_account_and_logs_in(client: Client) -> None:
    response = sign_up(client)
    assert response.headers["Location"] == "/"
    carol = User.objects.get(username="carol")
    assert not carol.is_guest
    assert carol.check_password(PASSWORD)
    assert user_of(client) == str(carol.pk)


@pytest.mark.parametrize(
    "fields",
    [
        {"username": ""},
        {"username": "with space"},
        {"username": "alice"},
        {"username": "ALICE"},
        {"username": "Guest 4F2A"},
        {"username": "x" * 151},
        {"password2": "other"},
        {"password1": "12345678", "password2": "12345678"},
        {"password1": "short", "password2": "short"},
    ],
)
def test_a_wrong_sign_up_is_explained_and_makes_nobody(
    client: Client, alice: User, fields: dict[str, str]
) -> None:
    response = sign_up(client, **fields)
    assert response.status_code == 200
    assert response.context["form"].errors
    assert User.objects.count() == 1


def test_logging_in_changes_the_session_key(client: Client, alice: User) -> None:
    client.get("/accounts/login/")
    session = client.session
    session["seed"] = 1
    session.save()
    planted = str(session.session_key)
    client.cookies["sessionid"] = planted
    assert log_in(client).headers["Location"] == "/"
    assert client.session.session_key != planted
    assert user_of(client) == str(alice.pk)


def test_a_wrong_password_and_an_unknown_name_look_alike(client: Client, alice: User) -> None:
    wrong = log_in(client, password="wrong")
    unknown = log_in(client, username="nobody")
    assert wrong.status_code == unknown.status_code == 200
    assert wrong.context["form"].errors == unknown.context["form"].errors
    assert user_of(client) is None


@pytest.mark.parametrize("target", FOREIGN)
def test_next_never_leaves_this_site(client: Client, alice: User, target: str) -> None:
    assert log_in(client, next=target).headers["Location"] == "/"
    assert client.post("/accounts/logout/", {"next": target}).headers["Location"] == "/"
    assert sign_up(client, next=target).headers["Location"] == "/"
    client.logout()
    assert client.post("/accounts/guest/", {"next": target}).headers["Location"] == "/"


def test_next_on_this_site_is_followed(client: Client, alice: User) -> None:
    assert log_in(client, next="/c/x/").headers["Location"] == "/c/x/"


def test_account_holders_skip_the_way_in(client: Client, alice: User) -> None:
    client.force_login(alice)
    for path in ("/accounts/login/", "/accounts/signup/"):
        assert client.get(path).headers["Location"] == "/"


def test_logging_out_needs_a_post_and_ends_the_session(client: Client, alice: User) -> None:
    client.force_login(alice)
    cookie = client.cookies["sessionid"].value
    assert client.get("/accounts/logout/").status_code == 405
    assert user_of(client)
    client.post("/accounts/logout/")
    client.cookies["sessionid"] = cookie
    assert user_of(client) is None


def test_every_write_needs_the_csrf_token(alice: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert log_in(strict).status_code == 403
    assert sign_up(strict).status_code == 403
    assert strict.post("/accounts/guest/").status_code == 403
    assert strict.post("/accounts/logout/").status_code == 403
    assert User.objects.count() == 1


@pytest.mark.parametrize("path", ["/accounts/login/", "/accounts/signup/"])
def test_the_ways_in_are_not_cached_and_offer_the_guest_entrance(client: Client, path: str) -> None:
    response = client.get(path)
    assert "no-store" in response.headers["Cache-Control"]
    assert response.context["guests_allowed"] is True
