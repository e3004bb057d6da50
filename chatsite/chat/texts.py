"""Which texts of people the database takes. Knows nothing of where they come from."""

from django.utils.translation import gettext as _


class UnstorableText(ValueError):
    """Says in a sentence what is wrong with a text."""


def storable(text: str) -> str:
    """The text itself if every database takes it: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnstorableText(_("The text has a broken character.")) from None
    if "\0" in text:
        raise UnstorableText(_("The text has a NUL character."))
    return text
