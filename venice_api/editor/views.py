"""Editor pages: the workspace's widgets, and one widget with its live preview and embed code."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from entitlements.memberships import role_in, workspaces_of
from venice_api import embed_tokens
from venice_api.embed.views import media_sources
from venice_api.models import WidgetInstance

_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "img-src 'self' data: {media}; media-src 'self' {media}"
)


@login_required
@require_safe
def instance_list(request: HttpRequest) -> HttpResponse:
    workspaces = workspaces_of(_user_id(request))
    instances = WidgetInstance.objects.filter(workspace__in=workspaces).select_related("workspace")
    return _page(
        request, "editor/list.html", {"instances": instances.order_by("workspace__name", "created_at")}
    )


@login_required
@require_safe
def instance_detail(request: HttpRequest, instance_id: str) -> HttpResponse:
    instance = WidgetInstance.objects.select_related("workspace").filter(pk=instance_id).first()
    if instance is None or role_in(_user_id(request), instance.workspace_id) is None:
        raise Http404
    token = embed_tokens.issue(instance.pk, instance.token_version)
    return _page(
        request,
        "editor/detail.html",
        {
            "instance": instance,
            "token": token,
            "script_url": f"{settings.PUBLIC_BASE_URL}/embed/widget.js",
            "frame_url": f"{settings.PUBLIC_BASE_URL}/embed/{instance.pk}?token={token}",
        },
    )


def _user_id(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def _page(request: HttpRequest, template: str, context: dict[str, object]) -> HttpResponse:
    response = render(request, template, context)
    response["Content-Security-Policy"] = _POLICY.format(media=media_sources())
    response["Cache-Control"] = "private, no-store"
    return response
