"""Who can see and change a widget on the editor's pages, and the headers of those pages."""

from __future__ import annotations

from functools import partial

from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from entitlements.memberships import Role, can_edit
from paris_integration import public as paris
from venice_api.models import WidgetInstance
from venice_api.policies import editor_policy


def instance_and_role(request: HttpRequest, instance_id: str) -> tuple[WidgetInstance, Role]:
    """The instance and the user's role in its workspace. 404 for outsiders and for an unknown instance alike."""
    instances = WidgetInstance.objects.for_member(user_id(request)).select_related("workspace")
    instance = instances.filter(pk=instance_id).first()
    if instance is None:
        raise Http404
    return instance, Role(instance.role)


def for_editing(request: HttpRequest, instance_id: str) -> tuple[WidgetInstance, Role]:
    """Like `instance_and_role`, but only for editors and owners."""
    instance, role = instance_and_role(request, instance_id)
    if not can_edit(role):
        raise PermissionDenied
    return instance, role


def actor(request: HttpRequest) -> paris.Actor:
    return paris.Actor(user_id(request), request.user.get_username())


def user_id(request: HttpRequest) -> int:
    return int(request.user.pk or 0)


def page(
    request: HttpRequest, template: str, context: dict[str, object], *, status: int = 200
) -> HttpResponse:
    # Called by templates that show messages; the others leave them for the next page.
    response = render(request, template, {**context, "notices": partial(_notices, request)}, status=status)
    response["Content-Security-Policy"] = editor_policy()
    response["Cache-Control"] = "private, no-store"
    return response


def _notices(request: HttpRequest) -> list[Message]:
    """The messages. One that two tabs caused is shown once."""
    return list({str(message): message for message in get_messages(request)}.values())
