"""Addresses of the chat page and its JSON."""

from django.urls import path

from chatsite.chat import usage, views

urlpatterns = [
    path("", views.chat, name="chat"),
    path("c/<uuid:conversation_id>/", views.conversation, name="conversation"),
    path("conversations/", views.conversations, name="conversations"),
    path(
        "conversations/<uuid:conversation_id>/",
        views.conversation_detail,
        name="conversation-detail",
    ),
    path(
        "conversations/<uuid:conversation_id>/delete/",
        views.conversation_delete,
        name="conversation-delete",
    ),
    path("messages/<uuid:message_id>/feedback/", views.message_feedback, name="message-feedback"),
    path("usage/", usage.usage, name="usage"),
    path("usage/today/", usage.today, name="usage-today"),
]
