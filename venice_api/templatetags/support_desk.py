"""Tags of the support desk's pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template

from entitlements.models import Workspace
from venice_api.support.acts import KINDS, Kind
from venice_api.support.front_page import FrontPage, front_page
from venice_api.support.workspace_page import Overview, overview

register = template.Library()


@register.simple_tag(takes_context=True)
def attention(context: Mapping[str, Any]) -> FrontPage | None:
    """What needs attention, of what the signed-in person may see."""
    return front_page(context["request"])


@register.simple_tag(takes_context=True)
def workspace_overview(context: Mapping[str, Any], workspace: Workspace) -> Overview:
    """The workspace's widgets, connections, usage and changes, of what the signed-in person may see."""
    return overview(workspace, context["request"].user)


@register.simple_tag
def act_kind(page: str) -> Kind:
    """The kind of the act with this page."""
    return KINDS[page]
