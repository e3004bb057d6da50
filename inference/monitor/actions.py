"""What the buttons of the live page do: by POST, with the right to steer, noted in the admin log.

Each answers JSON: `{"detail": sentence}`, and where a form was wrong `{"errors": {field: [...]}}`.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.http import HttpRequest, JsonResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from inference.doorbell import ring, tell_ended
from inference.errors import NotFound, NotPossible
from inference.messages import doorbell_abort, doorbell_changed
from inference.models import GenerationRequest
from inference.monitor.access import may_steer
from inference.policy_forms import LimitsForm, NoticeForm, PolicyForm
from inference.queue import abort, snapshot, steering
from inference.queue.policy import current_policy

Action = Callable[..., JsonResponse]


def steers(action: Action) -> Action:
    """Guards an action, and turns what cannot be done into a sentence."""

    @require_POST
    @wraps(action)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> JsonResponse:
        if not may_steer(request.user):
            return _answer(_("You may watch the queue, but not steer it."), 403)
        try:
            return action(request, *args, **kwargs)
        except NotFound:
            return _answer(_("This is not in the queue any more."), 404)
        except NotPossible as error:
            return _answer(str(error), 409)

    return guarded


@steers
def abort_request(request: HttpRequest, public_id: str) -> JsonResponse:
    was_over = snapshot(public_id, request.user).is_over
    row = abort(public_id, request.user)
    if was_over or (row.is_over and row.state != GenerationRequest.State.ABORTED):
        raise NotPossible(_("This request is over already."))
    _note(request, row, _("Aborted on the live page."))
    if row.is_over:  # it waited, so no worker will say that it ended
        tell_ended(row)
    ring(doorbell_abort(str(row.public_id)))
    return _answer(_("Aborted."))


@steers
def move_to_front(request: HttpRequest, public_id: str) -> JsonResponse:
    row = steering.move_to_front(public_id)
    return _priority_changed(request, row, _("Moved to the front."))


@steers
def set_priority(request: HttpRequest, public_id: str) -> JsonResponse:
    try:
        priority = int(request.POST.get("priority", ""))
    except ValueError:
        raise NotPossible(_("A priority is a whole number.")) from None
    row = steering.set_priority(public_id, priority)
    return _priority_changed(request, row, _("Priority is now %(priority)d."))


@steers
def pause(request: HttpRequest) -> JsonResponse:
    return _set_paused(request, True, _("Paused: nothing new starts."))


@steers
def resume(request: HttpRequest) -> JsonResponse:
    return _set_paused(request, False, _("The queue runs again."))


@steers
def drain_worker(request: HttpRequest, name: str) -> JsonResponse:
    _note(request, steering.let_worker_take(name, False), _("Drained: it takes nothing new."))
    return _changed(_("It finishes what it runs and takes nothing new."))


@steers
def undrain_worker(request: HttpRequest, name: str) -> JsonResponse:
    _note(request, steering.let_worker_take(name, True), _("Takes requests again."))
    return _changed(_("It takes requests again."))


@steers
def change_limits(request: HttpRequest) -> JsonResponse:
    return _change_policy(request, LimitsForm, _("The limits are changed."))


@steers
def change_notice(request: HttpRequest) -> JsonResponse:
    return _change_policy(request, NoticeForm, _("Everybody sees the change."))


def _change_policy(request: HttpRequest, form_class: type[PolicyForm], said: str) -> JsonResponse:
    """Takes the fields that were sent; the others stay as they are."""
    policy = current_policy()
    form = form_class(request.POST, instance=policy)
    for name in set(form.fields) - set(request.POST):
        del form.fields[name]
    if not form.is_valid():
        return JsonResponse(
            {"detail": _("This was not saved; see the fields."), "errors": form.errors}, status=400
        )
    changes = form.changes()
    if not changes:
        return _answer(_("Nothing was different."))
    saved = steering.change_policy(**changes)
    words = ", ".join(f"{form.fields[name].label}: {value}" for name, value in changes.items())
    _note(request, saved, words)
    return _changed(said)


def _set_paused(request: HttpRequest, paused: bool, said: str) -> JsonResponse:
    _note(request, steering.change_policy(paused=paused), said)
    return _changed(said)


def _priority_changed(request: HttpRequest, row: GenerationRequest, said: str) -> JsonResponse:
    said = said % {"priority": row.priority}
    _note(request, row, said)
    return _changed(said)


def _changed(said: str) -> JsonResponse:
    """Who may start now is another one: workers look at once."""
    ring(doorbell_changed())
    return _answer(said)


def _note(request: HttpRequest, row: Any, words: str) -> None:
    """Into the log of the admin, where the row's history shows it too."""
    who: Any = request.user
    LogEntry.objects.log_actions(who.pk, [row], CHANGE, words, single_object=True)


def _answer(detail: str, status: int = 200) -> JsonResponse:
    return JsonResponse({"detail": detail}, status=status)
