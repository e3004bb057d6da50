"""What the database says of every request, and of the chat message that keeps its text."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from tests.support.databases import Database

COLUMNS = (
    "r.id, r.public_id, r.state, r.finish_reason, r.code, r.output_text, r.completion_tokens,"
    " r.attempt, r.deaths, r.submitted_at, r.claimed_at, m.text, m.state"
)
ROWS = (
    f"SELECT {COLUMNS} FROM inference_generationrequest r"
    " JOIN chat_message m ON m.request_id = r.public_id ORDER BY r.id"
)


@dataclass(frozen=True)
class Row:
    key: int
    request: str
    state: str
    reason: str
    code: str
    text: str
    tokens: int
    attempt: int
    deaths: int
    submitted_at: datetime
    claimed_at: datetime | None
    message_text: str
    message_state: str


def rows_of(database: Database) -> dict[str, Row]:
    """By public id, in the order of arrival."""
    found = [
        Row(key, str(uuid.UUID(str(public_id))), *rest)
        for key, public_id, *rest in database.execute(ROWS)
    ]
    return {row.request: row for row in found}
