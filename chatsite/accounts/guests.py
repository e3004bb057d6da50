"""Guests: people without an account, real rows all the same, and how they get an account."""

import secrets

from django.contrib.auth import login
from django.db import IntegrityError, transaction
from django.http import HttpRequest

from chatsite.accounts.models import User
from chatsite.accounts.signals import SESSION_ENDED, tell_after_commit
from chatsite.chat.groups import session_group, user_group
from chatsite.chat.models import Conversation, Feedback, Message
from inference.queue import move_requests

# Four hexadecimal digits are readable; more are drawn as the short names run out.
_NAME_BYTES = (2, 2, 3, 4, 8)
_BACKEND = "django.contrib.auth.backends.ModelBackend"


def create_guest() -> User:
    """A new guest with a readable name. No account can have its name: a space is refused there."""
    for size in _NAME_BYTES:
        guest = User(username=f"Guest {secrets.token_hex(size).upper()}", is_guest=True)
        guest.set_unusable_password()
        try:
            with transaction.atomic():
                guest.save(force_insert=True)
        except IntegrityError:
            continue
        return guest
    raise RuntimeError("No free name for a guest was found.")


def start_guest_session(request: HttpRequest) -> User:
    """Makes a guest and logs this browser in as them."""
    guest = create_guest()
    login(request, guest, backend=_BACKEND)
    return guest


def login_and_adopt(request: HttpRequest, account: User) -> None:
    """Logs in; a guest's conversations come along, in one transaction. The session key changes."""
    before = request.user
    old_key = request.session.session_key
    with transaction.atomic():
        if old_key and before.is_authenticated:
            # The new login replaces this session, and with it the right of its open sockets.
            tell_after_commit(session_group(old_key), SESSION_ENDED)
        if isinstance(before, User) and before.is_guest and before.pk != account.pk:
            adopt(before, account)
        login(request, account, backend=getattr(account, "backend", _BACKEND))


@transaction.atomic
def adopt(guest: User, account: User) -> None:
    """Everything of the guest becomes the account's, and the guest is gone."""
    # The lock waits for sends of the guest that are being stored, and makes later ones fail.
    locked = User.objects.select_for_update().filter(pk=guest.pk, is_guest=True).first()
    if locked is None:
        return
    # Requests before messages, in the order in which a worker locks them at the end of an answer.
    move_requests(locked.pk, account.pk, user_group(account.pk))
    Conversation.objects.filter(user=locked).update(user=account)
    # Ids of sends are unique per person; the guest's have done their work.
    Message.objects.filter(user=locked).update(user=account, client_id="")
    Feedback.objects.filter(user=locked).update(user=account)
    locked.delete()
