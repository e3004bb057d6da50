"""How the admin's pages write names, numbers and times that come from elsewhere."""

import re
from datetime import datetime
from typing import Any

from django.utils import formats, timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from inference.queue import Group

# Characters that are not seen, or that turn the order of those around them: a name with them could
# look like another one's. Line breaks and tabs are left to the page.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)

KINDS: dict[str, str | Promise] = {
    Group.STAFF: _("staff"),
    Group.MEMBERS: _("members"),
    Group.GUESTS: _("guests"),
}


def revealed(text: object) -> str:
    """The text with `\\u202e` and its like spelled out."""
    return _INVISIBLE.sub(lambda found: f"\\u{ord(found[0]):04x}", str(text))


def kind_name(kind: str) -> str:
    return str(KINDS.get(kind, revealed(kind)))


def number(value: int) -> str:
    return str(formats.number_format(value, use_l10n=True, force_grouping=True))


def seconds(value: float | None) -> str | None:
    """“1.24 s”; None, which the admin draws as a dash, for what did not happen."""
    return None if value is None else f"{value:.2f} s"


def moment(value: datetime | None) -> str | None:
    """To the millisecond: phases of a request are often shorter than a second."""
    if value is None:
        return None
    local = timezone.localtime(value)
    return f"{local:%Y-%m-%d %H:%M:%S}.{local.microsecond // 1000:03d}"


def rate(value: float | None) -> str | None:
    return None if value is None else f"{value:.1f}"


def pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())
