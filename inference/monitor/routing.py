"""The address of the live page's socket."""

from django.urls import path

from inference.monitor.consumer import QueueMonitorConsumer

SOCKET_PATH = "/ws/admin/queue/"

monitor_urlpatterns = [path(SOCKET_PATH.lstrip("/"), QueueMonitorConsumer.as_asgi())]
