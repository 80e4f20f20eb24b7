"""Tags of the support desk's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.utils import timezone

from entitlements.models import Workspace
from paris_integration import public as paris
from venice_api import wording
from venice_api.models import WidgetInstance
from venice_api.support.acts import KINDS, Kind
from venice_api.support.front_page import FrontPage, front_page
from venice_api.support.workspace_page import Overview, Widget, overview, widgets_of

register = template.Library()


@register.simple_tag(takes_context=True)
def attention(context: Mapping[str, Any]) -> FrontPage | None:
    """What needs attention, of what the signed-in person may see."""
    return front_page(context["request"])


@register.simple_tag(takes_context=True)
def workspace_overview(context: Mapping[str, Any], workspace: Workspace) -> Overview:
    """The workspace's widgets, connections, usage and changes, of what the signed-in person may see."""
    return overview(workspace, context["request"].user)


@register.inclusion_tag("admin/venice_api/incidents.html", takes_context=True)
def incident_banner(context: Mapping[str, Any], workspace: Workspace | None = None) -> dict[str, object]:
    """A banner for each incident, or only for those that concern the workspace."""
    now = timezone.now()
    found = (
        paris.open_incidents(now=now) if workspace is None else paris.incidents_of([workspace.pk], now=now)
    )
    may_open = context["request"].user.has_perm("paris_integration.view_incident")
    return {"banners": [wording.banner_for_staff(incident) for incident in found], "may_open": may_open}


@register.simple_tag
def act_kind(page: str) -> Kind:
    """The kind of the act with this page."""
    return KINDS[page]


@register.simple_tag(takes_context=True)
def connected_widgets(context: Mapping[str, Any], connection: Any) -> list[Widget] | None:
    """The widgets that use the connection, with their health. None for people who may not view widgets."""
    if not context["request"].user.has_perm("venice_api.view_widgetinstance"):
        return None
    rows = WidgetInstance.objects.filter(pk__in=paris.instances_of(connection.pk))
    return widgets_of(rows.select_related("workspace").order_by("-updated_at"), timezone.now())
