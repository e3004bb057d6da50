"""Feedback as JSON lines: one object for each rating, enough to make its answer again.

Knows no files and no pages.
"""

import json
from collections.abc import Iterator
from typing import Any

from chatsite.chat.models import Feedback

# What a line is made of, for `QuerySet.values`.
FIELDS = (
    *("id", "rating", "comment", "model", "params", "prompt", "answer"),
    *("message_id", "request_id", "message__finish_reason", "user_id", "created_at", "updated_at"),
)


def all_lines() -> Iterator[str]:
    """Oldest first."""
    rows = Feedback.objects.order_by("created_at", "id").values(*FIELDS)
    return map(line_of, rows.iterator(chunk_size=100))


def line_of(row: dict[str, Any]) -> str:
    """One line with its end. People are numbers here, not names."""
    exported = {
        "id": row["id"],
        "rating": row["rating"],
        "comment": row["comment"],
        "model": row["model"],
        "params": row["params"],
        "seed": row["params"].get("seed"),
        "prompt": row["prompt"],
        "answer": row["answer"],
        "finish_reason": row["message__finish_reason"],
        "user": row["user_id"],
        "message": str(row["message_id"]),
        "request": str(row["request_id"]) if row["request_id"] else None,
        "created": row["created_at"].isoformat(),
        "updated": row["updated_at"].isoformat(),
    }
    return json.dumps(exported, ensure_ascii=False) + "\n"
