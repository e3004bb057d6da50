"""`manage.py runserver`: Daphne's command, which without Redis runs the worker on its event loop
too.
"""

import sys
from typing import Any

from channels.layers import get_channel_layer
from daphne.management.commands.runserver import Command as DaphneCommand
from daphne.management.commands.runserver import get_default_application
from daphne.server import Server

from inference import conf
from inference.embedded import EmbeddedServer, EmbeddedWorker
from inference.messages import INFERENCE_CHANNEL
from inference.terminal import ProgressLine


class Command(DaphneCommand):
    help = "Serves the site; without REDIS_URL also answers its requests."

    def inner_run(self, *args: Any, **options: Any) -> None:
        # Only the process that serves gets here: under autoreload the watching parent does not.
        self._error: Exception | None = None
        if conf.is_embedded() and options.get("use_asgi", True):
            self.server_cls = self._build_server
        super().inner_run(*args, **options)
        if self._error is not None:
            sys.exit(1)  # said already; a site that can never answer shall not look alive

    def _build_server(self, **arguments: Any) -> Server:
        progress = ProgressLine(sys.stdout)
        self._server = EmbeddedServer(**arguments)
        worker = EmbeddedWorker(
            application=get_default_application(),
            channels=[INFERENCE_CHANNEL],
            channel_layer=get_channel_layer(),
            on_progress=progress,
            on_start=lambda error: self._started(progress, error),
        )
        return worker.attach(self._server)

    def _started(self, progress: ProgressLine, error: Exception | None) -> None:
        progress.close()
        if error is None:
            self.stdout.write(
                self.style.SUCCESS(
                    f"Ready: open {self.protocol}://{self.addr}:{self.port}/ and say hello."
                )
            )
        else:
            self._error = error
            self.stderr.write(self.style.ERROR(f"The model could not be started: {error}"))
            self._server.stop()
