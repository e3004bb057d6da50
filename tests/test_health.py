"""Liveness, readiness, and what they leave in the log."""

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers, get_channel_layer
from django.db import connections
from django.test import AsyncClient, Client

from tests.inference.build import a_worker
from tests.support.ports import HOST, free_port
from tests.support.processes import ROOT
from tests.support.redis_server import RedisServer

ALL_WELL = {"database": True, "layer": True, "worker": True}


@pytest.mark.django_db
def test_healthz_answers_while_the_process_lives(client: Client) -> None:
    assert client.get("/healthz").content == b"ok"


@pytest.mark.django_db
def test_readyz_is_red_without_a_ready_worker_and_green_with_one(client: Client) -> None:
    a_worker(state="starting")
    red = client.get("/readyz")
    assert (red.status_code, red.json()) == (
        503,
        {
            "ready": False,
            "reason": "no ready worker",
            "checks": {**ALL_WELL, "worker": False},
            "workers": 0,
        },
    )
    a_worker()
    green = client.get("/readyz")
    assert (green.status_code, green.json()) == (
        200,
        {"ready": True, "checks": ALL_WELL, "workers": 1},
    )


@pytest.mark.django_db
def test_a_probe_that_hears_not_yet_leaves_no_error_in_the_log(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        client.get("/readyz")
        client.get("/no-such-page/")
    logged = [record.getMessage() for record in caplog.records if record.name == "django.request"]
    assert logged == ["Not Found: /no-such-page/"]


@pytest.fixture
async def on_redis(redis: RedisServer, settings: Any) -> AsyncIterator[RedisServer]:
    """This process as a web process of a site with Redis."""
    host = {"address": redis.url, "socket_timeout": 30, "socket_connect_timeout": 5}
    backend = "inference.channel_layer.PipelinedPubSubLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": [host]}}}
    channel_layers.backends.clear()
    yield redis
    redis.resume()
    await get_channel_layer().flush()
    channel_layers.backends.clear()
    # The thread of the view's database work keeps a connection, which would outlive the database.
    await sync_to_async(connections.close_all)()


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
async def test_readyz_is_red_in_time_while_redis_is_frozen_or_dead(
    on_redis: RedisServer, async_client: AsyncClient
) -> None:
    await sync_to_async(a_worker)()
    assert (await async_client.get("/readyz")).status_code == 200
    for breaks, mends in (
        (on_redis.pause, on_redis.resume),
        (on_redis.kill, on_redis.start),
    ):
        breaks()
        start = time.monotonic()
        red = await async_client.get("/readyz")
        assert time.monotonic() - start < 3
        assert (red.status_code, red.json()["reason"]) == (503, "channel layer")
        assert red.json()["checks"] == {**ALL_WELL, "layer": False}
        mends()
        assert (await async_client.get("/readyz")).status_code == 200


ASK = """
import json, django
django.setup()
from django.test import Client
client = Client()
answers = [client.get(path) for path in ("/healthz", "/readyz", "/metrics")]
print(json.dumps([[one.status_code, one.content.decode()] for one in answers]))
"""


def test_without_a_database_the_site_lives_and_says_what_is_away() -> None:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "chatsite.settings",
        "DATABASE_URL": f"postgres://nobody@{HOST}:{free_port()}/nothing",
        "ALLOWED_HOSTS": "testserver",
    }
    asked = subprocess.run(
        [sys.executable, "-c", ASK], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )
    (alive, _), (ready, why), (metrics, sentence) = json.loads(asked.stdout)
    assert (alive, ready, metrics) == (200, 503, 503)
    assert json.loads(why)["reason"] == "database"
    assert json.loads(why)["checks"] == {"database": False, "layer": True, "worker": False}
    assert sentence.startswith("The database does not answer.")
