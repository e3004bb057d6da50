"""What a client may say, and the typed error for everything else."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatsite.chat import frames, protocol
from chatsite.chat.protocol import FrameError, parse_frame

NO_PARAMS = protocol.Params("", "", {})


def encoded(frame: Any) -> str:
    """As a browser does it: CJK as itself, half a surrogate pair as an escape."""
    try:
        raw = json.dumps(frame, ensure_ascii=False)
        raw.encode()
    except UnicodeEncodeError:
        return json.dumps(frame)
    return raw


def error_of(frame: Any) -> FrameError:
    raw = frame if isinstance(frame, (str, bytes)) or frame is None else encoded(frame)
    with pytest.raises(FrameError) as caught:
        parse_frame(raw)
    return caught.value


def send(**fields: Any) -> dict[str, Any]:
    return {"type": "message.send", "client_id": "c", "conversation": None, "text": "hi", **fields}


@pytest.mark.parametrize(
    ("frame", "parsed"),
    [
        (send(), protocol.MessageSend("c", None, None, "hi", NO_PARAMS)),
        (
            send(conversation="k", parent="p", params={"model": "m", "system": "s", "top_k": 3}),
            protocol.MessageSend("c", "k", "p", "hi", protocol.Params("m", "s", {"top_k": 3})),
        ),
        (send(params=None, unknown=[1]), protocol.MessageSend("c", None, None, "hi", NO_PARAMS)),
        (
            {"type": "message.regenerate", "client_id": "c", "message": "m"},
            protocol.MessageRegenerate("c", "m", NO_PARAMS),
        ),
        (
            {"type": "message.edit", "client_id": "c", "message": "m", "text": "x"},
            protocol.MessageEdit("c", "m", "x", NO_PARAMS),
        ),
        ({"type": "request.abort", "request": "r"}, protocol.RequestAbort("r")),
        ({"type": "request.sync", "request": "r", "offset": 7}, protocol.RequestSync("r", 7)),
        ({"type": "ack", "request": "r", "offset": 0}, protocol.Ack("r", 0)),
    ],
)
def test_every_client_frame_is_read(frame: dict[str, Any], parsed: protocol.ClientFrame) -> None:
    assert parse_frame(json.dumps(frame)) == parsed


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (None, "bad_frame"),
        (b"{}", "bad_frame"),
        ("", "bad_json"),
        ("hello", "bad_json"),
        ('{"type":', "bad_json"),
        ('{"type": "ack", "type": "ack"}', "bad_json"),
        ('{"type": "ack", "offset": NaN}', "bad_json"),
        ('{"type": "ack", "offset": -Infinity}', "bad_json"),
        ('{"type": "ack", "offset": ' + "9" * 10_000 + "}", "bad_json"),
        ("[" * 30_000, "bad_json"),
        ('{"type": "ack", "x": ' + "[" * 20 + "]" * 20 + "}", "bad_frame"),
        ("[]", "bad_frame"),
        ("7", "bad_frame"),
        ("null", "bad_frame"),
        ('"ack"', "bad_frame"),
        ("x" * (protocol.MAX_FRAME_BYTES + 1), "too_large"),
        ("あ" * (protocol.MAX_FRAME_BYTES // 3 + 1), "too_large"),
        ({}, "unknown_type"),
        ({"type": None}, "unknown_type"),
        ({"type": ["ack"]}, "unknown_type"),
        ({"type": "hello"}, "unknown_type"),
        ({"type": "websocket.disconnect"}, "unknown_type"),
        ({"type": "message.delta"}, "unknown_type"),
        ({"type": "message.send"}, "bad_frame"),
        (send(client_id=""), "bad_frame"),
        (send(client_id=7), "bad_frame"),
        (send(client_id="c" * 65), "bad_frame"),
        (send(client_id="a\0"), "invalid"),
        ({"type": "request.abort"}, "bad_frame"),
        ({"type": "request.abort", "request": {"$ne": ""}}, "bad_frame"),
        ({"type": "request.sync", "request": "r"}, "bad_frame"),
        ({"type": "request.sync", "request": "r", "offset": -1}, "bad_frame"),
        ({"type": "request.sync", "request": "r", "offset": True}, "bad_frame"),
        ({"type": "request.sync", "request": "r", "offset": 1.5}, "bad_frame"),
        ({"type": "request.sync", "request": "r", "offset": 2**60}, "bad_frame"),
    ],
)
def test_a_frame_that_cannot_be_used_is_a_typed_error(frame: Any, code: str) -> None:
    error = error_of(frame)
    assert error.code == code
    assert error.detail
    assert error.client_id is None


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"text": None}, "invalid"),
        ({"text": 7}, "invalid"),
        ({"text": ""}, "invalid"),
        ({"text": " \n\t　"}, "invalid"),
        ({"text": "a\0b"}, "invalid"),
        ({"text": "half \ud83d"}, "invalid"),
        ({"text": "x" * (protocol.MAX_TEXT_BYTES + 1)}, "too_long"),
        ({"text": "あ" * (protocol.MAX_TEXT_BYTES // 3 + 1)}, "too_long"),
        ({"conversation": 7}, "invalid"),
        ({"conversation": ""}, "invalid"),
        ({"conversation": "k" * 65}, "invalid"),
        ({"params": []}, "invalid"),
        ({"params": "hot"}, "invalid"),
        ({"params": {"model": 0}}, "invalid"),
        ({"params": {"model": "m" * 201}}, "invalid"),
        ({"params": {"system": ["s"]}}, "invalid"),
        ({"params": {"stop": ["a\0"]}}, "invalid"),
        ({"params": {"\udc00": 1}}, "invalid"),
    ],
)
def test_an_error_in_a_send_names_the_send(fields: dict[str, Any], code: str) -> None:
    error = error_of(send(**fields))
    assert (error.code, error.client_id) == (code, "c")


def test_a_number_past_the_floats_is_refused() -> None:
    raw = json.dumps(send(params={"temperature": 0})).replace(
        '"temperature": 0', '"temperature": 1e400'
    )
    assert error_of(raw).code == "invalid"


def test_a_message_of_exactly_the_limit_passes() -> None:
    text = "x" * protocol.MAX_TEXT_BYTES
    frame = parse_frame(json.dumps(send(text=text)))
    assert isinstance(frame, protocol.MessageSend)
    assert frame.text == text


@settings(deadline=None)
@given(st.text())
def test_any_text_is_a_frame_or_a_typed_error(raw: str) -> None:
    try:
        parse_frame(raw)
    except FrameError as error:
        assert error.code


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = ("client_id", "conversation", "parent", "message", "text", "params", "request", "offset")


@settings(deadline=None)
@given(
    kind=st.sampled_from(sorted(protocol._READERS)),
    fields=st.dictionaries(st.sampled_from(FIELDS), JSON_VALUES),
)
def test_any_fields_are_a_frame_or_a_typed_error(kind: str, fields: dict[str, Any]) -> None:
    try:
        parse_frame(json.dumps({**fields, "type": kind}))
    except FrameError as error:
        assert error.code in {"bad_json", "bad_frame", "invalid", "too_long"}


def test_a_failed_send_is_rejected_and_anything_else_is_an_error() -> None:
    assert frames.failure("c", "invalid", "No.", 1.5) == {
        "type": "request.rejected",
        "client_id": "c",
        "code": "invalid",
        "detail": "No.",
        "retry_after": 1.5,
    }
    assert frames.failure(None, "invalid", "No.") == {
        "type": "error",
        "code": "invalid",
        "detail": "No.",
    }


def test_frames_are_compact_and_keep_cjk_as_itself() -> None:
    assert frames.encode({"text": "こんにちは"}) == '{"text":"こんにちは"}'
