"""What a browser may say on `/ws/chat/` (protocol version 1), and how what it says is read.

Owns the shape and the bounds of a client's frame; the server's own are in `frames`. Knows no
database, no socket and no queue: whether an id exists or a sampling parameter is in range is
decided elsewhere.
"""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chatsite.chat.texts import UnstorableText, storable

MAX_FRAME_BYTES = 65_536
MAX_TEXT_BYTES = 32_768
MAX_ID_LENGTH = 64
MAX_MODEL_LENGTH = 200
MAX_DEPTH = 8
MAX_OFFSET = 2**53
# The sampling params that a browser may set (docs/protocol.md).
CHAT_PARAMS = {
    *("temperature", "top_p", "top_k", "min_p", "max_tokens", "min_tokens", "stop", "seed"),
    *("repetition_penalty", "presence_penalty", "frequency_penalty"),
}


class FrameError(Exception):
    """A frame that cannot be used. `client_id` is set when the sender waits for an answer to it."""

    def __init__(self, code: str, detail: str, client_id: str | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.client_id = client_id


@dataclass(frozen=True)
class Params:
    """`params` of a send: the model and system prompt, and the sampling params as they came."""

    model: str
    system: str
    sampling: dict[str, Any]


@dataclass(frozen=True)
class MessageSend:
    client_id: str
    conversation: str | None
    # The answer to reply to; None: the newest one of the conversation.
    parent: str | None
    text: str
    params: Params


@dataclass(frozen=True)
class MessageRegenerate:
    client_id: str
    message: str
    params: Params


@dataclass(frozen=True)
class MessageEdit:
    client_id: str
    message: str
    text: str
    params: Params


@dataclass(frozen=True)
class RequestAbort:
    request: str


@dataclass(frozen=True)
class RequestSync:
    request: str
    offset: int


@dataclass(frozen=True)
class Ack:
    request: str
    offset: int


EnqueueFrame = MessageSend | MessageRegenerate | MessageEdit
ClientFrame = EnqueueFrame | RequestAbort | RequestSync | Ack


def parse_frame(raw: str | bytes | None) -> ClientFrame:
    """The frame in what a socket received, or `FrameError`."""
    fields = _Fields(_decode(raw))
    kind = fields.data.get("type")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise FrameError("unknown_type", _("This type of frame is not known."))
    return reader(fields)


def _decode(raw: str | bytes | None) -> dict[str, Any]:
    if not isinstance(raw, str):
        raise FrameError("bad_frame", _("Frames must be text, not binary."))
    if len(raw) > MAX_FRAME_BYTES or len(raw.encode("utf-8", "surrogatepass")) > MAX_FRAME_BYTES:
        raise FrameError("too_large", _("A frame may be at most 64 KB."))
    try:
        data = json.loads(raw, parse_constant=_refuse, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError):  # ValueError also covers integers of thousands of digits
        raise FrameError("bad_json", _("The frame is not valid JSON.")) from None
    if not isinstance(data, dict):
        raise FrameError("bad_frame", _("A frame must be a JSON object."))
    if any(depth > MAX_DEPTH for depth, _value in _walk(data)):
        raise FrameError("bad_frame", _("The frame is nested too deeply."))
    return data


def _refuse(constant: str) -> None:
    raise ValueError(constant)  # NaN and Infinity are not JSON


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("duplicate key")
    return found


def _walk(root: Any) -> Iterator[tuple[int, Any]]:
    """Every value below `root`, keys included, with its depth; without recursion."""
    pending = [(1, root)]
    while pending:
        depth, value = pending.pop()
        yield depth, value
        if isinstance(value, dict):
            pending.extend((depth + 1, key) for key in value)
            pending.extend((depth + 1, inner) for inner in value.values())
        elif isinstance(value, list):
            pending.extend((depth + 1, inner) for inner in value)


class _Fields:
    """Reads the fields of one frame; an error names the field, and the send that it belongs to."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self._client_id: str | None = None

    def client_id(self) -> str:
        found = self._string("client_id", MAX_ID_LENGTH)
        self._client_id = found
        return found

    def id(self, name: str) -> str:
        return self._string(name, MAX_ID_LENGTH)

    def optional_id(self, name: str) -> str | None:
        return None if self.data.get(name) is None else self.id(name)

    def offset(self) -> int:
        value = self.data.get("offset")
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_OFFSET:
            raise self._bad(_("“offset” must be a whole number that is not negative."))
        return value

    def text(self) -> str:
        value = self._storable("text", self.data.get("text"))
        if len(value.encode()) > MAX_TEXT_BYTES:
            raise self._error("too_long", _("A message may be at most 32 KB of text."))
        if not value.strip():
            raise self._error("invalid", _("The message is empty."))
        return value

    def params(self) -> Params:
        value = self.data.get("params")
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self._bad(_("“params” must be an object."))
        for _depth, inner in _walk(value):
            self._check_param(inner)
        sampling = {name: inner for name, inner in value.items() if name not in ("model", "system")}
        model, system = self._optional_text(value, "model"), self._optional_text(value, "system")
        if len(model) > MAX_MODEL_LENGTH:
            raise self._error("invalid", _("The name of the model is too long."))
        return Params(model, system, sampling)

    def _optional_text(self, params: dict[str, Any], name: str) -> str:
        return "" if params.get(name) is None else self._storable(name, params[name])

    def _check_param(self, value: Any) -> None:
        if isinstance(value, str):
            self._storable("params", value)
        elif isinstance(value, float) and not math.isfinite(value):
            raise self._error("invalid", _("A number in “params” is out of range."))

    def _string(self, name: str, longest: int) -> str:
        value = self._storable(name, self.data.get(name))
        if not 1 <= len(value) <= longest:
            raise self._bad(
                _("“%(name)s” must have 1 to %(longest)s characters.")
                % {"name": name, "longest": longest}
            )
        return value

    def _storable(self, name: str, value: Any) -> str:
        if not isinstance(value, str):
            raise self._bad(_("“%(name)s” must be text.") % {"name": name})
        try:
            return storable(value)
        except UnstorableText as error:
            raise self._error("invalid", str(error)) from None

    def _bad(self, detail: str) -> FrameError:
        # A send's own error has a code of the refusals; a frame nobody waits on is just bad.
        return self._error("invalid" if self._client_id else "bad_frame", detail)

    def _error(self, code: str, detail: str) -> FrameError:
        return FrameError(code, detail, self._client_id)


# Keyword arguments run in the order written: client_id first, so that later errors carry it.
_READERS: dict[str, Callable[[_Fields], ClientFrame]] = {
    "message.send": lambda f: MessageSend(
        client_id=f.client_id(),
        conversation=f.optional_id("conversation"),
        parent=f.optional_id("parent"),
        text=f.text(),
        params=f.params(),
    ),
    "message.regenerate": lambda f: MessageRegenerate(
        client_id=f.client_id(), message=f.id("message"), params=f.params()
    ),
    "message.edit": lambda f: MessageEdit(
        client_id=f.client_id(), message=f.id("message"), text=f.text(), params=f.params()
    ),
    "request.abort": lambda f: RequestAbort(request=f.id("request")),
    "request.sync": lambda f: RequestSync(request=f.id("request"), offset=f.offset()),
    "ack": lambda f: Ack(request=f.id("request"), offset=f.offset()),
}
