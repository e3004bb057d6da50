"""What people think of answers: kept, changed, taken back. The only writer of `Feedback` rows.

What is kept beside the rating is up to the setting `CHATSITE_FEEDBACK`. Reads the request that made
an answer; knows no pages and no export.
"""

import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from chatsite.accounts.models import User
from chatsite.accounts.sessions import lock_user
from chatsite.chat.history import ChatMessage, prompt_for
from chatsite.chat.models import Feedback, Message
from chatsite.chat.signals import tell_feedback
from chatsite.chat.texts import UnstorableText, storable
from inference.models import TEXT_PARAMS, GenerationRequest
from inference.queue import NotFound

MAX_COMMENT_LENGTH = 2_000
TAKEN_BACK = 0
# Ends that leave an answer to judge: not `failed`.
RATED_ENDS = ("stop", "length", "aborted")


class Mode(StrEnum):
    """Values of `CHATSITE_FEEDBACK`."""

    TEXTS = "texts"
    RATINGS = "ratings"
    OFF = "off"


class InvalidOpinion(ValueError):
    """Says in a sentence what is wrong with what was sent."""


@dataclass(frozen=True)
class Opinion:
    """A rating, or `TAKEN_BACK`. A comment of None leaves the one that is there."""

    rating: int
    comment: str | None = None


def mode() -> Mode:
    return Mode(settings.CHATSITE_FEEDBACK)


def read_opinion(body: bytes) -> Opinion:
    """The opinion in the body of a request, or `InvalidOpinion`."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):  # ValueError also covers what is not UTF-8
        data = None
    if not isinstance(data, dict):
        raise InvalidOpinion(_("Feedback must be a JSON object."))
    rating = data.get("rating")
    # By type: True and 1.0 equal 1.
    if type(rating) is not int or rating not in (*Feedback.Rating.values, TAKEN_BACK):
        raise InvalidOpinion(_("“rating” must be 1, -1, or 0 to take it back."))
    return Opinion(rating, _comment(data.get("comment")))


def give_feedback(user: User, message_id: UUID, opinion: Opinion) -> Feedback | None:
    """Keeps what the user thinks of one of their answers; None once it is taken back.

    Asked again it changes nothing. Raises `NotFound` for whatever is not theirs to rate, and
    `SessionEnded`.
    """
    with transaction.atomic():
        lock_user(user.pk)  # two tabs come one after the other; the conversation is not deleted
        answer = _own_answer(user, message_id)
        before = Feedback.objects.filter(message=answer).first()
        if opinion.rating == TAKEN_BACK:
            _take_back(answer, before)
            return None
        feedback = before or Feedback(message=answer, user=user, request_id=answer.request_id)
        comment = feedback.comment if opinion.comment is None else opinion.comment
        if before and (before.rating, before.comment) == (opinion.rating, comment):
            return before
        feedback.rating, feedback.comment = opinion.rating, comment
        _keep_what_made_it(feedback, answer)
        feedback.save()
        tell_feedback(answer, feedback)
        return feedback


def as_json(feedback: Feedback) -> dict[str, Any]:
    """What its giver sees of it."""
    return {"rating": feedback.rating, "comment": feedback.comment}


def figures_of(params: dict[str, Any]) -> dict[str, Any]:
    """Without those that people write themselves."""
    return {name: value for name, value in params.items() if name not in TEXT_PARAMS}


def _comment(value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidOpinion(_("“%(name)s” must be text.") % {"name": "comment"})
    try:
        text = storable(value).strip()
    except UnstorableText as error:
        raise InvalidOpinion(str(error)) from None
    if len(text) > MAX_COMMENT_LENGTH:
        words = _("A comment may be at most %(limit)d characters long. Shorten it.")
        raise InvalidOpinion(words % {"limit": MAX_COMMENT_LENGTH})
    return text


def _own_answer(user: User, message_id: UUID) -> Message:
    answers = Message.objects.filter(
        conversation__user=user,
        role=Message.Role.ASSISTANT,
        state=Message.State.COMPLETE,
        finish_reason__in=RATED_ENDS,
    )
    found = answers.exclude(text="").filter(pk=message_id).select_related("parent").first()
    if found is None:
        raise NotFound("There is no such answer.")
    return found


def _take_back(answer: Message, before: Feedback | None) -> None:
    if before is not None:
        before.delete()
        tell_feedback(answer, None)


def _keep_what_made_it(feedback: Feedback, answer: Message) -> None:
    """Model and params, and with `texts` the prompt as the model got it. Old requests are pruned;
    then the prompt is what the conversation still tells, and the params stay as they are known.
    """
    request = _request_of(answer)
    if request is not None:
        # A request for any model names none; the worker that answered it does.
        feedback.model = request.model or (request.worker.model if request.worker else "")
        feedback.params = request.params
    keeps_texts = mode() == Mode.TEXTS
    if not keeps_texts:
        feedback.params = figures_of(feedback.params)
    feedback.answer = answer.text if keeps_texts else ""
    feedback.prompt = _prompt(request, feedback, answer) if keeps_texts else None


def _request_of(answer: Message) -> GenerationRequest | None:
    if answer.request_id is None:
        return None
    rows = GenerationRequest.objects.select_related("worker")
    rows = rows.defer("output_text", "output_token_ids")
    return rows.filter(public_id=answer.request_id).first()


def _prompt(
    request: GenerationRequest | None, feedback: Feedback, answer: Message
) -> list[ChatMessage] | None:
    if request is not None and request.messages:
        exact: list[ChatMessage] = request.messages
        return exact
    if feedback.prompt or answer.parent is None:
        return feedback.prompt
    return prompt_for(answer.parent, system="")
