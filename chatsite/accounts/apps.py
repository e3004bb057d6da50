from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "chatsite.accounts"
    label = "accounts"
    verbose_name = _("People")

    def ready(self) -> None:
        from chatsite.accounts import signals

        signals.connect()
