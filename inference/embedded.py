"""The worker inside the web server: same consumer, same loop, for a site without Redis.

Knows Daphne's reactor; does not know pages or sockets.
"""

import asyncio
from typing import Any

from daphne.server import Server

from inference.server import InferenceServer


class EmbeddedServer(Server):
    """Daphne's server, which at its end really ends what its sockets run.

    Daphne's own meets a connection without an application (browsers keep such open), raises, and
    cancels none. Python then frees the loop under consumers that still wait, and crashes.
    """

    def kill_all_applications(self) -> Any:
        from twisted.internet.defer import Deferred

        found = [details.get("application_instance") for details in self.connections.values()]
        tasks = [task for task in found if task is not None and not task.done()]
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        return Deferred.fromFuture(asyncio.ensure_future(asyncio.wait_for(ended, 5)))


class EmbeddedWorker(InferenceServer):
    """A worker that begins and ends with a Daphne server."""

    # Its sockets are gone the moment the server stops: hand back at once instead of finishing.
    drain_seconds = 0.0
    owns_signals = False

    def attach(self, server: Server) -> Server:
        """Starts this worker when the server's reactor runs, and drains it before the reactor
        stops.
        """
        from twisted.internet import reactor
        from twisted.internet.defer import Deferred

        task: list[asyncio.Future[Any]] = []

        def start() -> None:
            task.append(asyncio.ensure_future(self.arun()))

        def stop() -> Any:
            self.request_stop()
            return Deferred.fromFuture(task[0]) if task else None

        reactor.callWhenRunning(start)
        reactor.addSystemEventTrigger("before", "shutdown", stop)  # type: ignore[arg-type]
        return server
