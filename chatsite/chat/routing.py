"""Addresses of sockets."""

from django.urls import path

from chatsite.chat.consumers import ChatConsumer

SOCKET_PATH = "/ws/chat/"

websocket_urlpatterns = [path(SOCKET_PATH.lstrip("/"), ChatConsumer.as_asgi())]
