"""CSV files for spreadsheets: cells that cannot become formulas, in UTF-8 with a BOM.

With the BOM, as without it the most common spreadsheet takes names like “山田” for another
encoding; programs read it with `utf-8-sig`.
"""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO

from django.http import HttpResponse, HttpResponseBase

from inference.admin.shown import revealed
from inference.queue.days import today

BOM = "\ufeff"
CONTENT_TYPE = "text/csv; charset=utf-8"
# With these a spreadsheet begins a formula, also where blanks come before it.
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")

Cell = str | int | float | None


def line(cells: Sequence[Cell]) -> str:
    """One line of the file, with its end."""
    out = StringIO()
    csv.writer(out).writerow([defused(cell) for cell in cells])
    return out.getvalue()


def defused(cell: Cell) -> Cell:
    """Text that a spreadsheet takes as text; numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    is_formula = cell.startswith(_FORMULA) or cell.lstrip().startswith(_FORMULA)
    shown = revealed(cell)
    return f"'{shown}" if is_formula else shown


def as_download(response: HttpResponseBase, what: str) -> HttpResponseBase:
    """Names the file after what is in it and the day."""
    name = f"{what}-{today().isoformat()}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response


def small_file(
    what: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]
) -> HttpResponseBase:
    """A whole file at once, for some thousands of lines."""
    content = BOM + "".join(line(cells) for cells in (header, *rows))
    return as_download(HttpResponse(content, content_type=CONTENT_TYPE), what)
