"""Log in, sign up, log out, come in as a guest."""

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import views as auth_views
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import RedirectURLMixin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters
from django.views.generic import FormView

from chatsite.accounts.forms import SignUpForm
from chatsite.accounts.guests import login_and_adopt, start_guest_session
from chatsite.accounts.models import User

if TYPE_CHECKING:
    _SignUpFormView = FormView[SignUpForm]
else:
    _SignUpFormView = FormView


def _has_account(request: HttpRequest) -> bool:
    """True for account holders; guests may still log in and sign up."""
    return isinstance(request.user, User) and not request.user.is_guest


class _EntranceMixin(RedirectURLMixin):
    """Shared by log-in and sign-up: account holders skip them, `next` stays on this site."""

    request: HttpRequest
    redirect_authenticated_user = False
    next_page = settings.LOGIN_REDIRECT_URL

    def get(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _has_account(request):
            return HttpResponseRedirect(self.get_success_url())
        response: HttpResponse = super().get(request, *args, **kwargs)  # type: ignore[misc]
        return response

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)  # type: ignore[misc]
        return {
            **context,
            self.redirect_field_name: self.get_redirect_url(),
            "guests_allowed": settings.CHATSITE_ALLOW_GUESTS,
        }


class LoginView(_EntranceMixin, auth_views.LoginView):
    template_name = "accounts/login.html"

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        login_and_adopt(self.request, form.get_user())
        return HttpResponseRedirect(self.get_success_url())


@method_decorator([sensitive_post_parameters(), csrf_protect, never_cache], name="dispatch")
class SignUpView(_EntranceMixin, _SignUpFormView):
    template_name = "accounts/signup.html"
    form_class = SignUpForm

    def form_valid(self, form: SignUpForm) -> HttpResponse:
        login_and_adopt(self.request, form.save())
        return HttpResponseRedirect(self.get_success_url())


@method_decorator(never_cache, name="dispatch")
class GuestView(RedirectURLMixin, View):
    """POST only: looking at the page makes no user."""

    http_method_names = ["post", "options"]
    next_page = settings.LOGIN_REDIRECT_URL

    def post(self, request: HttpRequest) -> HttpResponse:
        if not settings.CHATSITE_ALLOW_GUESTS:
            raise PermissionDenied(_("This site is for people with an account. Log in to chat."))
        if not request.user.is_authenticated:
            start_guest_session(request)
        return HttpResponseRedirect(self.get_success_url())
