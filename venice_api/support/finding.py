"""One search for staff: by workspace, widget id, username, e-mail address, or the address of a page."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q

from entitlements.models import Workspace
from paris_integration import public as paris
from venice_api.models import PageSighting, WidgetInstance

MOST = 25
MAX_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class Found:
    """At most MOST of each."""

    workspaces: tuple[Workspace, ...]
    widgets: tuple[WidgetInstance, ...]


def find(typed: str, user: User) -> Found:
    """What matches, of what this person may view."""
    text = typed.strip().replace("\0", "")[:MAX_LENGTH]
    if not text:
        return Found((), ())
    name = text.removeprefix("@").removeprefix("#")
    workspaces: tuple[Workspace, ...] = ()
    widgets: tuple[WidgetInstance, ...] = ()
    if user.has_perm("entitlements.view_workspace"):
        wanted = Q(name__icontains=text)
        if workspace_id := _uuid(text):
            wanted |= Q(pk=workspace_id)
        if user.has_perm("entitlements.view_membership"):
            people = User.objects.filter(Q(username__iexact=name) | Q(email__iexact=text))
            wanted |= Q(pk__in=people.values("memberships__workspace"))
        workspaces = tuple(Workspace.objects.filter(wanted).select_related("plan")[:MOST])
    if user.has_perm("venice_api.view_widgetinstance"):
        named = Q(pk=text) | Q(source_value__iexact=name) | Q(name__icontains=text)
        named |= Q(pk__in=paris.instances_connected_as(name))
        if host := host_typed(text):
            named |= Q(pk__in=PageSighting.objects.filter(host=host).values("instance_id"))
        rows = WidgetInstance.objects.filter(named).select_related("workspace").order_by("-updated_at")
        widgets = tuple(rows[:MOST])
    return Found(workspaces, widgets)


def host_typed(text: str) -> str:
    """The host name of a pasted address, with or without a scheme; "" if it is none."""
    try:
        host = urlsplit(text if "://" in text else f"//{text}").hostname or ""
    except ValueError:
        return ""
    return host if "." in host or host == "localhost" else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
