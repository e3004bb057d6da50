"""What can go wrong in the request queue.

InferenceError
├── Refused            a request was not accepted; nothing was stored
├── NotFound           no such request, or not yours: the two look the same
├── NotPossible        what staff asked for cannot be done as things are; nothing was changed
└── IllegalTransition  a state change that the state machine does not have
"""


class InferenceError(Exception):
    """Base of this tree."""


class Refused(InferenceError):
    """A refusal with a code for programs, a sentence for people and, where it helps, seconds to
    wait.
    """

    def __init__(self, code: str, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.retry_after = retry_after


class NotFound(InferenceError):
    """No such request, or it belongs to somebody else."""


class NotPossible(InferenceError):
    """A sentence that says why, and what to do instead."""


class IllegalTransition(InferenceError):
    """The request is not in a state from which this change is possible."""

    def __init__(self, before: str, after: str) -> None:
        super().__init__(f"A request that is {before} cannot become {after}.")
        self.before = before
        self.after = after
