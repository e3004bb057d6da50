"""The seam to whoever keeps the text of ended requests; this app does not know who that is."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from inference.models import GenerationRequest


class Recorder(Protocol):
    """Called once or more with an ended request, inside the transaction that ends it."""

    def __call__(self, request: "GenerationRequest") -> None: ...
