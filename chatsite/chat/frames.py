"""What the server says on `/ws/chat/` (protocol version 1).

The events of the queue come ready-made from `inference.messages`; these are the others. Knows no
database and no socket.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

PROTOCOL_VERSION = 1

Frame = dict[str, Any]


@dataclass(frozen=True)
class Accepted:
    """A send that is stored and queued; the fields of `message.accepted`."""

    client_id: str
    conversation: str
    user_message: str
    message: str
    parent: str | None
    text: str
    request: str


def encode(frame: Frame) -> str:
    """Compact, and CJK as itself: half the bytes of escapes."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def size_of(text: str) -> int:
    """Bytes that this frame takes on the wire, but for its header."""
    return len(text) if text.isascii() else len(text.encode())


def hello(user: Frame, models: list[str], active: list[Frame], notice: str) -> Frame:
    return {
        "type": "hello",
        "protocol": PROTOCOL_VERSION,
        "user": user,
        "models": models,
        "active": active,
        "notice": notice,
    }


def notice(text: str) -> Frame:
    """To everybody, from the people who run the site; '' takes the last one away."""
    return {"type": "notice", "text": text}


def message_accepted(accepted: Accepted) -> Frame:
    return {"type": "message.accepted", **asdict(accepted)}


def request_rejected(
    client_id: str, code: str, detail: str, retry_after: float | None = None
) -> Frame:
    return {
        "type": "request.rejected",
        "client_id": client_id,
        "code": code,
        "detail": detail,
        "retry_after": retry_after,
    }


def error(code: str, detail: str) -> Frame:
    return {"type": "error", "code": code, "detail": detail}


def failure(
    client_id: str | None, code: str, detail: str, retry_after: float | None = None
) -> Frame:
    """`request.rejected` to a send that waits for its answer, so its draft stays; else `error`."""
    if client_id is None:
        return error(code, detail)
    return request_rejected(client_id, code, detail, retry_after)
