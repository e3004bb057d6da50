"""The live page of the queue: `/admin/inference/queue/`, and the addresses of its buttons."""

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from inference.admin.read_only import ReadOnlyAdmin
from inference.models import Queue
from inference.monitor import actions
from inference.monitor.access import may_steer, may_watch
from inference.monitor.routing import SOCKET_PATH
from inference.policy_forms import LimitsForm, NoticeForm
from inference.queue.policy import current_policy
from inference.queue.samples import samples_of
from inference.queue.steering import HIGHEST_PRIORITY, LOWEST_PRIORITY

MOST_POINTS = 360
LONGEST_MINUTES = 24 * 60


@admin.register(Queue)
class QueueAdmin(ReadOnlyAdmin):
    """No list of rows: one page."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_watch(request.user)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_watch(request.user)

    def get_urls(self) -> list[URLPattern]:
        def at(route: str, view: Any, name: str) -> URLPattern:
            guarded: Any = self.admin_site.admin_view(view)
            found: URLPattern = path(route, guarded, name=f"inference_queue_{name}")
            return found

        return [
            at("", self.changelist_view, "changelist"),
            at("samples/", self.samples_view, "samples"),
            at("requests/<uuid:public_id>/abort/", actions.abort_request, "abort"),
            at("requests/<uuid:public_id>/front/", actions.move_to_front, "front"),
            at("requests/<uuid:public_id>/priority/", actions.set_priority, "priority"),
            at("pause/", actions.pause, "pause"),
            at("resume/", actions.resume, "resume"),
            at("workers/<str:name>/drain/", actions.drain_worker, "drain"),
            at("workers/<str:name>/undrain/", actions.undrain_worker, "undrain"),
            at("limits/", actions.change_limits, "limits"),
            at("notice/", actions.change_notice, "notice"),
        ]

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not may_watch(request.user):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            **(extra_context or {}),
            **_context(request.user),
            "opts": self.opts,
        }
        return TemplateResponse(request, "admin/inference/queue/live.html", context)

    def samples_view(self, request: HttpRequest) -> HttpResponse:
        """Points for the charts, of the last `minutes`."""
        if not may_watch(request.user):
            raise PermissionDenied
        return _samples(request)


def _context(user: Any) -> dict[str, Any]:
    policy, can_steer = current_policy(), may_steer(user)
    history = reverse("admin:inference_generationrequest_changelist")
    return {
        "title": _("Live queue"),
        "can_steer": can_steer,
        "limits_form": LimitsForm(instance=policy, auto_id="limit-%s"),
        "notice_form": NoticeForm(instance=policy, auto_id="limit-%s"),
        "monitor": {
            "socket": SOCKET_PATH,
            "can_steer": can_steer,
            "base": reverse("admin:inference_queue_changelist"),
            "history": history if user.has_perm("inference.view_generationrequest") else "",
            "priorities": {"lowest": LOWEST_PRIORITY, "highest": HIGHEST_PRIORITY},
            "language": get_language(),
        },
    }


@never_cache
@require_safe
def _samples(request: HttpRequest) -> JsonResponse:
    try:
        minutes = int(request.GET.get("minutes", "15"))
    except ValueError:
        minutes = 15
    seconds = 60.0 * min(max(1, minutes), LONGEST_MINUTES)
    return JsonResponse({"samples": samples_of(seconds, MOST_POINTS)})
