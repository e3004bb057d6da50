"""Who may watch and steer, over HTTP and the socket, and how soon a right that ends is gone."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.sessions.models import Session
from django.test import Client

from chatsite.accounts.models import User
from inference.admin.queue import QueueAdmin
from inference.models import GenerationRequest, Queue
from inference.monitor import consumer
from inference.queue.policy import current_policy
from tests.chat.tools import session_cookie
from tests.inference.build import a_policy, a_request, a_worker
from tests.monitor.conftest import Watch
from tests.support.rights import allow

pytestmark = pytest.mark.django_db(transaction=True)

PAGE = "/admin/inference/queue/"
ACTIONS = {
    "requests/{request}/abort/": {},
    "requests/{request}/front/": {},
    "requests/{request}/priority/": {"priority": "3"},
    "pause/": {},
    "resume/": {},
    "workers/{worker}/drain/": {},
    "workers/{worker}/undrain/": {},
    "limits/": {"max_running": "7"},
    "notice/": {"notice": "hello"},
}


def test_every_address_of_the_page_is_in_this_matrix() -> None:
    from django.contrib import admin

    names = {url.name for url in QueueAdmin(Queue, admin.site).get_urls()}
    assert len(names) == len(ACTIONS) + 2  # the page itself, and the samples


def _everything() -> dict[str, Any]:
    rows = GenerationRequest.objects.order_by("id").values("state", "priority", "abort_requested")
    return {"rows": list(rows), "policy": vars(current_policy()) | {"_state": None}}


@pytest.mark.parametrize("who", ["nobody", "member", "staff", "watcher"])
def test_who_may_not_steer_changes_nothing_whatever_is_posted(
    who: str, alice: User, charlie: User
) -> None:
    a_policy(max_running=1, max_waiting=5)
    worker, request = a_worker(), a_request()
    client = Client()
    if who != "nobody":
        user = {"member": alice, "staff": charlie, "watcher": charlie}[who]
        client.force_login(allow(user, "watch_queue") if who == "watcher" else user)
    before = _everything()
    for address, fields in ACTIONS.items():
        path = PAGE + address.format(request=request.public_id, worker=worker.name)
        answer = client.post(path, fields)
        assert answer.status_code == (302 if who in ("nobody", "member") else 403), path
    worker.refresh_from_db()
    assert worker.accepts
    assert _everything() == before


@pytest.mark.parametrize("address", ["", "samples/"])
def test_only_staff_with_the_permission_see_the_page(
    address: str, alice: User, charlie: User
) -> None:
    client = Client()
    for user, status in ((None, 302), (alice, 302), (charlie, 403)):
        if user is not None:
            client.force_login(user)
        answer = client.get(PAGE + address)
        assert answer.status_code == status
        assert b"monitor" not in answer.content
    client.force_login(allow(charlie, "watch_queue"))
    assert client.get(PAGE + address).status_code == 200


def test_the_index_of_the_admin_links_the_page_for_those_who_may_watch(charlie: User) -> None:
    client = Client()
    client.force_login(charlie)
    assert PAGE not in client.get("/admin/").text
    allow(charlie, "watch_queue")
    assert PAGE in client.get("/admin/").text


def test_who_may_only_watch_sees_no_buttons(watcher: User) -> None:
    client = Client()
    client.force_login(watcher)
    page = client.get(PAGE).text
    assert "You may watch the queue, but not steer it." in page
    hooks = ("abort", "front", "raise", "pause", "drain", "limits", "notice")
    assert [hook for hook in hooks if f'data-testid="{hook}"' in page] == []


def test_nothing_is_changed_by_a_get_nor_without_the_token_of_the_form(steerer: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(steerer)
    assert client.get(PAGE + "pause/").status_code == 405
    assert client.post(PAGE + "pause/").status_code == 403
    assert not current_policy().paused


async def test_over_the_socket_only_staff_with_the_permission_hear_anything(
    watch: Watch, alice: User, charlie: User
) -> None:
    for user, code in ((None, 4401), (alice, 4403), (charlie, 4403)):
        socket = await watch(user)
        event = await socket.receive_output(5)
        assert (event["type"], event.get("code")) == ("websocket.close", code)
        assert await socket.receive_nothing(timeout=0.1)
    socket = await watch(await sync_to_async(allow)(charlie, "watch_queue"))
    assert (await socket.hear())["type"] == "state"


@pytest.mark.parametrize("end", ["demoted", "permission", "inactive", "session", "password"])
async def test_an_open_socket_hears_nothing_soon_after_the_right_is_gone(
    end: str, watch: Watch, watcher: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "ACCESS_SECONDS", 0.2)
    cookie = await sync_to_async(session_cookie)(watcher)
    socket = await watch(cookie=cookie)
    await socket.hear()
    await sync_to_async(_end)(end, watcher)
    expected = 4401 if end in ("session", "password", "inactive") else 4403
    assert await socket.closed_with() == expected
    assert await socket.receive_nothing(timeout=0.3)


def _end(what: str, user: User) -> None:
    if what == "permission":
        user.user_permissions.clear()
    elif what == "session":
        Session.objects.all().delete()
    else:
        user.is_staff = what != "demoted"
        user.is_active = what != "inactive"
        if what == "password":
            user.set_password("another one")
        user.save()


def test_looking_at_a_session_changes_nothing_in_it(watcher: User) -> None:
    from inference.monitor.access import Access, access_of

    cookie = session_cookie(watcher)
    before = Session.objects.get().session_data
    watcher.set_password("another one")
    watcher.save()
    assert access_of(cookie) is Access.SIGNED_OUT
    assert access_of(None) is Access.SIGNED_OUT
    assert Session.objects.get().session_data == before
