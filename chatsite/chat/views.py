"""The chat page, and a person's conversations as JSON. Everything else goes over the socket."""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast
from uuid import UUID

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from chatsite.accounts.models import User
from chatsite.accounts.sessions import SessionEnded
from chatsite.chat import feedback
from chatsite.chat.deletion import delete_conversation
from chatsite.chat.models import Conversation, Feedback, Message
from chatsite.chat.page import page_data
from inference.queue import NotFound

LISTED_CONVERSATIONS = 100

View = Callable[..., HttpResponse]


def signed_in(view: View) -> View:
    """For JSON addresses: 401 with a code, not a redirect to a page."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            answer = {"code": "signed_out", "detail": _("You are signed out. Sign in again.")}
            return JsonResponse(answer, status=401)
        return view(request, *args, **kwargs)

    return guarded


@never_cache
@require_safe
def chat(request: HttpRequest) -> HttpResponse:
    """An empty new chat, or for strangers the way in. Makes no user and no session."""
    if not isinstance(request.user, User):
        context = {"guests_allowed": settings.CHATSITE_ALLOW_GUESTS}
        return render(request, "chat/welcome.html", context)
    return render(request, "chat/chat.html", {"page": page_data(request.user, None)})


@never_cache
@require_safe
@login_required
def conversation(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    found = _own(request, conversation_id)
    return render(request, "chat/chat.html", {"page": page_data(found.user, found.id)})


@never_cache
@require_safe
@signed_in
def conversations(request: HttpRequest) -> HttpResponse:
    being_answered = Message.objects.filter(
        conversation=OuterRef("pk"), state=Message.State.GENERATING
    )
    rows = (
        Conversation.objects.filter(user=person(request))
        .annotate(active=Exists(being_answered))
        .order_by("-updated_at")
        .values("id", "title", "updated_at", "active")[:LISTED_CONVERSATIONS]
    )
    return JsonResponse({"conversations": list(rows)})


@never_cache
@require_safe
@signed_in
def conversation_detail(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    found = _own(request, conversation_id)
    given = Feedback.objects.filter(message__conversation=found)
    given = given.only("message", "rating", "comment")
    rated = {one.message_id: feedback.as_json(one) for one in given}
    rows = found.messages.order_by("created_at", "id")
    messages = [{**_message_json(row), "feedback": rated.get(row.id)} for row in rows]
    return JsonResponse({"id": found.id, "title": found.title, "messages": messages})


@never_cache
@require_POST
@signed_in
def conversation_delete(request: HttpRequest, conversation_id: UUID) -> HttpResponse:
    try:
        delete_conversation(_own(request, conversation_id))
    except SessionEnded:  # a guest who became an account holder a moment ago, in another tab
        raise Http404 from None
    return HttpResponse(status=204)


@never_cache
@require_POST
@signed_in
def message_feedback(request: HttpRequest, message_id: UUID) -> HttpResponse:
    if feedback.mode() == feedback.Mode.OFF:
        raise Http404
    try:
        opinion = feedback.read_opinion(request.body)
        kept = feedback.give_feedback(person(request), message_id, opinion)
    except feedback.InvalidOpinion as error:
        return JsonResponse({"code": "invalid", "detail": str(error)}, status=400)
    except (NotFound, SessionEnded):
        raise Http404 from None
    return JsonResponse({"feedback": feedback.as_json(kept) if kept else None})


def person(request: HttpRequest) -> User:
    return cast(User, request.user)  # the decorators keep strangers out


def _own(request: HttpRequest, conversation_id: UUID) -> Conversation:
    """The person's conversation. Absent and somebody else's look the same."""
    rows = Conversation.objects.select_related("user")
    found = rows.filter(pk=conversation_id, user=person(request)).first()
    if found is None:
        raise Http404(_("There is no such conversation."))
    return found


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "id": message.id,
        "parent": message.parent_id,
        "role": message.role,
        "text": message.text,
        "created_at": message.created_at,
        "state": message.state,
        "finish_reason": message.finish_reason,
        "code": message.code,
        "detail": message.detail,
        "truncated": message.truncated,
        "usage": message.usage,
        "timings": message.timings,
        "request": message.request_id,
    }
