"""How a log record is written, and what the log leaves out. Knows no handler.

Whatever is in a message, an event stays one line, and nothing moves a terminal's cursor. A record's
`fields` (a dict, see `inference.telemetry.request_log`) are told besides the message.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Any

# Fields that a message says in words.
_SAID = {"event", "request"}
_LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class TextFormatter(logging.Formatter):
    """For people: a line, then the traceback if there is one, indented so that it cannot pass for
    a line.
    """

    def __init__(self) -> None:
        super().__init__(_LINE)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        fields = _fields(record).items()
        told = ", ".join(f"{name}={value}" for name, value in fields if name not in _SAID)
        line = super().formatMessage(record)
        return _printable(f"{line} ({told})" if told else line)

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802
        return _indented(super().formatStack(stack_info))


class JsonFormatter(logging.Formatter):
    """For programs: an object a line, times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        told: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
            **_fields(record),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            told["stack"] = record.stack_info
        return json.dumps(told, default=str)


class WithoutProbes(logging.Filter):
    """Drops the error line for a 503 of `/readyz`: "not yet" is no error."""

    def filter(self, record: logging.LogRecord) -> bool:
        request = getattr(record, "request", None)
        return getattr(request, "path", "") != "/readyz"


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    fields: dict[str, Any] = getattr(record, "fields", {})
    return fields


def _indented(text: str) -> str:
    return "\n".join(f"    {_printable(line)}" for line in text.split("\n"))


def _printable(text: str) -> str:
    """The text with its control characters spelled out."""
    if text.isprintable():
        return text
    shown = (c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return "".join(shown)
