from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InferenceConfig(AppConfig):
    name = "inference"
    verbose_name = _("Inference queue")

    def ready(self) -> None:
        from inference.telemetry import observers, request_log

        observers.connect()
        request_log.connect()
