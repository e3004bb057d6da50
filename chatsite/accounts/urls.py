"""Addresses under `/accounts/`."""

from django.contrib.auth.views import LogoutView
from django.urls import path

from chatsite.accounts.views import GuestView, LoginView, SignUpView

urlpatterns = [
    path("login/", LoginView.as_view(), name="login"),
    path("signup/", SignUpView.as_view(), name="signup"),
    path("guest/", GuestView.as_view(), name="guest"),
    path("logout/", LogoutView.as_view(), name="logout"),
]
