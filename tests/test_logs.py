"""One event is one line, in either format, whatever somebody calls themselves."""

import json
import logging
import os
import subprocess
import sys
from datetime import datetime
from typing import Any

import pytest

from chatsite.logs import JsonFormatter, TextFormatter
from inference.queue import Refused, running, tell_rejected
from inference.queue.claiming import claim
from inference.queue.running import Ending
from tests.inference.build import a_policy, a_request, a_worker, progress_of
from tests.support.processes import ROOT

HOSTILE = "mallory\r\n2026-01-01 INFO inference: all is well\x1b[2J\x00\x7f\x85\u2028\u202e"
FORMATTERS = [TextFormatter(), JsonFormatter()]


def a_record(message: str = "hello", *args: object, **fields: Any) -> logging.LogRecord:
    record = logging.LogRecord("chatsite", logging.INFO, __file__, 1, message, args, None)
    if fields:
        record.fields = fields
    return record


def raised(text: str) -> logging.LogRecord:
    record = a_record("It failed.")
    try:
        raise ValueError(text)
    except ValueError:
        record.exc_info = sys.exc_info()
    return record


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_a_hostile_name_is_part_of_one_line(formatter: logging.Formatter) -> None:
    for record in (a_record("Hello %s.", HOSTILE), a_record(user=HOSTILE)):
        line = formatter.format(record)
        assert line.isprintable() and "mallory" in line


def test_a_hostile_error_does_not_pass_for_a_line_of_the_text_log() -> None:
    first, *rest = TextFormatter().format(raised(HOSTILE)).split("\n")
    assert first.endswith("It failed.")
    assert all(line.startswith("    ") and line.isprintable() for line in rest)
    assert any("mallory" in line for line in rest)


def test_a_json_line_has_an_error_in_a_field() -> None:
    line = JsonFormatter().format(raised(HOSTILE))
    assert line.isprintable()
    assert json.loads(line)["exception"].startswith("Traceback")
    assert HOSTILE in json.loads(line)["exception"]


def test_a_json_line_says_when_what_and_where() -> None:
    told = json.loads(JsonFormatter().format(a_record("Hello %s.", "世界", user=7)))
    assert datetime.fromisoformat(told.pop("time")).utcoffset() is not None
    assert told == {
        "level": "INFO",
        "logger": "chatsite",
        "message": "Hello 世界.",
        "process": os.getpid(),
        "user": 7,
    }


def test_a_text_line_tells_what_the_message_does_not() -> None:
    line = TextFormatter().format(
        a_record("Request 7: queued", request="7", event="queued", user=3)
    )
    assert line.endswith("INFO chatsite: Request 7: queued (user=3)")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("formatter", FORMATTERS)
def test_the_request_log_tells_each_step_by_the_id_and_no_text(
    formatter: logging.Formatter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.handler.setFormatter(formatter)
    a_policy(max_running=1, max_waiting=1)
    worker = a_worker(model=HOSTILE.replace("\x00", ""))  # which PostgreSQL does not take
    request = a_request(text="the secret question")
    (claimed,) = claim(worker, 0)
    running.finish(worker, Ending(progress_of(claimed, "the secret answer", 3), "stop"))
    tell_rejected(5, Refused("queue_full", "The secret sentence."))
    lines = caplog.text.splitlines()
    steps = [record for record in caplog.records if record.name == "inference.requests"]
    events = [getattr(record, "fields", {})["event"] for record in steps]
    assert events == ["queued", "started", "first token", "finished", "rejected"]
    assert len(lines) == len(caplog.records)
    assert sum(str(request.public_id) in line for line in lines) == 4
    assert "secret" not in caplog.text


def test_a_format_that_nobody_knows_is_refused_in_a_sentence() -> None:
    env = {**os.environ, "CHATSITE_LOG_FORMAT": "xml"}
    started = subprocess.run(
        [sys.executable, "manage.py", "check"], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert started.returncode != 0
    assert "CHATSITE_LOG_FORMAT must be text or json, not 'xml'." in started.stderr
