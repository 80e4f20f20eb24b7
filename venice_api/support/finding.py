"""One search for staff: by workspace, widget ID, username, e-mail address, or the address of a page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils import timezone

from entitlements.models import Membership, Workspace
from paris_integration import public as paris
from venice_api.models import ID_PREFIX, PageSighting, WidgetInstance
from venice_api.sightings import host_of
from venice_api.support.workspace_page import Widget, widgets_of

Row = TypeVar("Row", Workspace, WidgetInstance)
MOST = 25
MAX_LENGTH = 2_000
_WIDGET_ID = re.compile(rf"{ID_PREFIX}[a-z0-9]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Found:
    """At most MOST of each. `more_…`: there are others that match."""

    workspaces: tuple[Workspace, ...]
    more_workspaces: bool
    widgets: tuple[Widget, ...]
    more_widgets: bool


def find(typed: str, user: User) -> Found:
    """What matches, of what this person may view. What matches exactly comes first."""
    text = typed.replace("\0", "").strip()[:MAX_LENGTH]
    workspaces: list[Workspace] = []
    rows: list[WidgetInstance] = []
    if text and user.has_perm("entitlements.view_workspace"):
        workspaces = _workspaces(text, with_members=user.has_perm("entitlements.view_membership"))
    if text and user.has_perm("venice_api.view_widgetinstance"):
        rows = _widgets(text)
    return Found(
        tuple(workspaces[:MOST]),
        len(workspaces) > MOST,
        tuple(widgets_of(rows[:MOST], timezone.now())),
        len(rows) > MOST,
    )


def _workspaces(text: str, *, with_members: bool) -> list[Workspace]:
    exact = Q(name__iexact=text)
    if workspace_id := _uuid(text):
        exact |= Q(pk=workspace_id)
    if with_members:
        people = User.objects.filter(Q(username__iexact=_name(text)) | Q(email__iexact=text))
        of_people = Membership.objects.filter(user__in=people).order_by("workspace__name")
        exact |= Q(pk__in=list(of_people.values_list("workspace", flat=True)[: MOST + 1]))
    ordered = Workspace.objects.select_related("plan").order_by("name", "pk")
    return _first_of(ordered.filter(exact), ordered.filter(name__icontains=text))


def _widgets(text: str) -> list[WidgetInstance]:
    # Looked up one by one: each is a short range of its own index.
    exact = Q(pk__in=[text, *_WIDGET_ID.findall(text)[:MOST]]) | Q(source_value=_name(text).lower())
    exact |= Q(pk__in=paris.instances_connected_as(_name(text))[: MOST + 1])
    if hosts := hosts_typed(text):
        seen = PageSighting.objects.filter(host__in=hosts).order_by("-last_seen_at")
        exact |= Q(pk__in=list(seen.values_list("instance_id", flat=True)[: MOST + 1]))
    ordered = WidgetInstance.objects.select_related("workspace").order_by("-updated_at", "pk")
    return _first_of(ordered.filter(exact), ordered.filter(name__icontains=text))


def _first_of(*queries: QuerySet[Row]) -> list[Row]:
    """MOST rows and one more, of the first query before those of the second, each once."""
    found: dict[object, Row] = {}
    for query in queries:
        found |= {row.pk: row for row in query[: MOST + 1] if row.pk not in found}
    return list(found.values())[: MOST + 1]


def hosts_typed(text: str) -> Iterable[str]:
    """The host of a pasted address, with or without a scheme: as typed, and with "www." added or removed."""
    has_scheme = "://" in text
    host = host_of(_in_ascii((text if has_scheme else f"//{text}").lower()), None)
    if "." not in host and host != "localhost":
        return ()
    bare = host.removeprefix("www.")
    return {host, bare, f"www.{bare}"}


def _in_ascii(address: str) -> str:
    """The address with its host name as browsers send it: bäckerei.example is xn--bckerei-5wa.example."""
    try:
        host = urlsplit(address).hostname or ""
        return (
            address.replace(host, host.encode("idna").decode(), 1) if host and not host.isascii() else address
        )
    except ValueError:  # UnicodeError is one
        return ""


def _name(text: str) -> str:
    return text.removeprefix("@").removeprefix("#")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
