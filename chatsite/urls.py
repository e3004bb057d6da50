"""Addresses of the site: includes only."""

from django.contrib import admin
from django.urls import include, path
from django.views.i18n import JavaScriptCatalog

from chatsite import health, metrics_view

admin.site.site_header = admin.site.site_title = "chatsite"
handler500 = "chatsite.pages.failed"
urlpatterns = [
    path("", include("chatsite.chat.urls")),
    path("accounts/", include("chatsite.accounts.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path(
        "jsi18n/",
        JavaScriptCatalog.as_view(packages=["chatsite.chat"]),
        name="javascript-catalog",
    ),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics_view.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
