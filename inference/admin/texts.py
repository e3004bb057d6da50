"""What people asked and were answered, for those staff who may read it; each reading is logged."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from inference import conf
from inference.models import TEXT_PARAMS, GenerationRequest


@dataclass(frozen=True)
class Texts:
    """The turns of a prompt, as (role, text), and the answer so far."""

    turns: list[tuple[str, str]]
    answer: str
    params: dict[str, Any]


def may_read(request: HttpRequest) -> bool:
    """The site allows it, and this person may. With the setting off not even a superuser."""
    return conf.staff_see_texts() and request.user.has_perm("inference.read_texts")


def why_not() -> str:
    """For a person who may not."""
    if not conf.staff_see_texts():
        return _("This site does not show staff what people ask and are answered.")
    return _("You may see figures here, not what people ask and are answered.")


def texts_of(key: int) -> Texts:
    """Loaded here only: no other page of the history has them in memory."""
    rows = GenerationRequest.objects.filter(pk=key)
    messages, answer, params = rows.values_list("messages", "output_text", "params").get()
    turns = [(str(one.get("role", "")), str(one.get("content", ""))) for one in messages]
    return Texts(turns, answer, {name: params[name] for name in TEXT_PARAMS if params.get(name)})
