"""Who can see and change a widget on the editor's pages, and the headers of those pages."""

from __future__ import annotations

from functools import partial

from django.contrib.messages import get_messages
from django.contrib.messages.storage.base import Message
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from entitlements.memberships import Role, can_edit, workspaces_of
from paris_integration import public as paris
from venice_api import wording
from venice_api.models import WidgetInstance
from venice_api.policies import editor_policy


def instance_and_role(
    request: HttpRequest, instance_id: str, *, lock: bool = False
) -> tuple[WidgetInstance, Role]:
    """The instance and the user's role in its workspace. 404 for outsiders and for an unknown instance alike.

    `lock`: the instance's row, until the transaction ends.
    """
    instances = WidgetInstance.objects.for_member(user_id(request)).select_related("workspace")
    if lock:
        instances = instances.select_for_update(of=("self",))
    instance = instances.filter(pk=instance_id).first()
    if instance is None:
        raise Http404
    return instance, Role(instance.role)


def for_editing(request: HttpRequest, instance_id: str, *, lock: bool = False) -> tuple[WidgetInstance, Role]:
    """Like `instance_and_role`, but only for editors and owners."""
    instance, role = instance_and_role(request, instance_id, lock=lock)
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
    # Called by the templates that show them; the others leave messages for the next page.
    asked = {"notices": partial(_notices, request), "banner": partial(_banner, request)}
    response = render(request, template, {**context, **asked}, status=status)
    response["Content-Security-Policy"] = editor_policy()
    response["Cache-Control"] = "private, no-store"
    return response


def _banner(request: HttpRequest) -> wording.Banner | None:
    """What to say about incidents that concern the user's workspaces."""
    workspaces = workspaces_of(user_id(request)).values("pk")
    return wording.banner_for_editors(paris.incidents_of(workspaces, now=timezone.now()))


def _notices(request: HttpRequest) -> list[Message]:
    """The messages. One that two tabs caused is shown once."""
    return list({str(message): message for message in get_messages(request)}.values())
