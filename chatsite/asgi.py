"""The ASGI application: pages and sockets for browsers, and the channel that a worker listens on.

Any ASGI server can run it. Nothing here loads a model: the worker's consumer starts one only when a
worker process runs it.
"""

import os

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "chatsite.settings")
pages = get_asgi_application()  # before any import that needs the app registry

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ChannelNameRouter, ProtocolTypeRouter, URLRouter  # noqa: E402

from chatsite.chat.routing import websocket_urlpatterns  # noqa: E402
from chatsite.lifespan import lifespan  # noqa: E402
from chatsite.origins import OriginCheck  # noqa: E402
from chatsite.pages import closing_connections  # noqa: E402
from inference.consumers import InferenceConsumer  # noqa: E402
from inference.messages import INFERENCE_CHANNEL  # noqa: E402
from inference.monitor.routing import monitor_urlpatterns  # noqa: E402

sockets = [*websocket_urlpatterns, *monitor_urlpatterns]
application = ProtocolTypeRouter(
    {
        "http": closing_connections(pages),
        "websocket": OriginCheck(AuthMiddlewareStack(URLRouter(sockets))),
        "channel": ChannelNameRouter({INFERENCE_CHANNEL: InferenceConsumer.as_asgi()}),
        "lifespan": lifespan,
    }
)
