"""`manage.py runworker inference`: Channels' command, same usage, with our server."""

from typing import Any

from channels.management.commands.runworker import Command as ChannelsCommand
from django.core.management import CommandError

from inference import conf
from inference.server import InferenceServer
from inference.terminal import ProgressLine

NO_REDIS = (
    "There is no REDIS_URL, so a worker of its own could not hear the web processes: the "
    "channel layer ends at the process. Without Redis `manage.py runserver` runs the worker. "
    "Set REDIS_URL for both to run them apart."
)


class Command(ChannelsCommand):
    help = "Loads the model and answers requests from the queue until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        if conf.is_embedded():
            raise CommandError(NO_REDIS)
        self.worker_class = self._server
        super().handle(*args, **options)
        if self._built.error is not None:
            raise CommandError(str(self._built.error))

    def _server(self, **arguments: Any) -> InferenceServer:
        progress = ProgressLine(self.stdout._out)
        self._built = InferenceServer(
            **arguments, on_progress=progress, on_start=lambda error: self._started(progress, error)
        )
        return self._built

    def _started(self, progress: ProgressLine, error: Exception | None) -> None:
        progress.close()
        if error is None:
            self.stdout.write(self.style.SUCCESS("Ready: waiting for requests."))
