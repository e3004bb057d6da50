"""Names, texts and errors that try to be more than text, in the history and on the usage page."""

from html.parser import HTMLParser
from typing import Any

import pytest
from django.test import Client

from inference.models import GenerationRequest
from tests.inference.build import a_user
from tests.inference.history import DETAIL, LIST, USAGE, a_row, client_of, get
from tests.support.hostile import hostile_texts

pytestmark = pytest.mark.django_db


class Elements(HTMLParser):
    """Every element with the names of its attributes, and where its addresses lead."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.found: set[tuple[str, ...]] = set()
        self.addresses: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, *sorted(name for name, _value in attrs)))
        self.addresses |= {v or "" for name, v in attrs if name in ("href", "src", "action")}


def is_inert(page: str, harmless: Elements) -> None:
    elements = Elements(page)
    assert elements.found <= harmless.found
    odd = [one for one in elements.addresses if not one.startswith(("/", "?", "#", "."))]
    assert odd == []
    assert not any(char in page for char in "\u202e\u2067\u200b\ufeff\x1b")


@pytest.fixture
def admin(db: None, settings: Any) -> Client:
    settings.INFERENCE_STAFF_SEE_TEXTS = True
    return client_of(a_user(username="root", is_staff=True, is_superuser=True))


def a_row_of(text: str) -> GenerationRequest:
    return a_row(
        a_user(username=text[:150]),
        model=text,
        detail=text,
        group=text[:10],
        state="failed",
    )


def test_there_are_many_hostile_texts() -> None:
    texts = hostile_texts()
    assert len(set(texts)) == len(texts) >= 150


def test_names_and_errors_come_out_as_text_in_list_and_detail(admin: Client) -> None:
    GenerationRequest.objects.all().delete()
    row = a_row_of("harm\nless")
    harmless = Elements(get(admin, LIST) + get(admin, DETAIL, row.pk))
    rows = [a_row_of(text) for text in hostile_texts()]
    for page in (1, 2):
        is_inert(get(admin, LIST, p=page), harmless)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in get(admin, LIST, p=2)
    for row in rows:
        is_inert(get(admin, DETAIL, row.pk), harmless)


def test_texts_come_out_as_text(admin: Client) -> None:
    harmless = Elements(get(admin, DETAIL, a_row().pk))
    texts = hostile_texts()
    turns = [{"role": text, "content": text} for text in texts]
    row = a_row(messages=turns, output_text="\n".join(texts), params={"stop": texts})
    page = get(admin, DETAIL, row.pk)
    assert Elements(page).found <= harmless.found
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


@pytest.mark.parametrize("tab", ["user", "group", "model"])
def test_names_come_out_as_text_on_the_usage_page(admin: Client, tab: str) -> None:
    from django.contrib.auth.models import Group

    period = {"first": "2026-03-01", "last": "2026-03-03", "by": tab}
    a_row()
    harmless = Elements(get(admin, USAGE, **period))
    for text in hostile_texts():
        row = a_row_of(text)
        Group.objects.create(name=text).user_set.add(row.user)
    page = get(admin, USAGE, **period)
    is_inert(page, harmless)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
