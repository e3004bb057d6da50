"""The history as a CSV file: figures, never texts. Written while it is read, page by page.

Memory stays the same for any number of rows, and no statement runs long: each page begins where the
last one ended.
"""

from collections.abc import AsyncIterator
from datetime import datetime

from asgiref.sync import sync_to_async
from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse

from inference.admin.csv_files import BOM, CONTENT_TYPE, Cell, as_download, line
from inference.models import GenerationRequest

PAGE = 1000

HEADER = [
    *("request", "user", "state", "group", "priority", "model", "worker", "slot", "attempt"),
    *("finish_reason", "code", "submitted", "claimed", "first_token", "ended"),
    *("queue_s", "ttft_s", "decode_s", "tokens_per_s"),
    *("prompt_tokens", "cached_tokens", "completion_tokens", "older_turns_left_out"),
]


def as_csv(requests: QuerySet[GenerationRequest]) -> HttpResponseBase:
    """These requests, newest first."""
    content = _lines(requests.order_by("-id"))
    return as_download(StreamingHttpResponse(content, content_type=CONTENT_TYPE), "requests")


async def _lines(requests: QuerySet[GenerationRequest]) -> AsyncIterator[str]:
    yield BOM + line(HEADER)
    page = await _page(requests)
    while page:
        yield "".join(line(_cells(row)) for row in page)
        page = await _page(requests.filter(id__lt=page[-1].pk))


@sync_to_async
def _page(requests: QuerySet[GenerationRequest]) -> list[GenerationRequest]:
    return list(requests[:PAGE])


def _cells(row: GenerationRequest) -> list[Cell]:
    timings = row.timings()
    return [
        str(row.public_id),
        row.user.get_username(),
        row.state,
        row.group,
        row.priority,
        row.model,
        row.worker.name if row.worker else None,
        row.slot,
        row.attempt,
        row.finish_reason,
        row.code,
        *map(_time, (row.submitted_at, row.claimed_at, row.first_token_at, row.ended_at)),
        *(timings[name] for name in ("queue_s", "ttft_s", "decode_s", "tokens_per_s")),
        row.prompt_tokens,
        row.cached_tokens,
        row.completion_tokens,
        int(row.truncated),
    ]


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="milliseconds") if moment else None
