"""What staff see of one workspace beside its limits: widgets with health, connections, usage and last changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from entitlements.models import EntitlementChange, Workspace
from paris_integration import public as paris
from venice_api import wording
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.support.charts import Chart, charts_of

DAYS = 30
MOST_WIDGETS = 50
MOST_CHANGES = 10


@dataclass(frozen=True, slots=True)
class Widget:
    row: WidgetInstance
    health: wording.Health


@dataclass(frozen=True, slots=True)
class Overview:
    """Each part is None for people who may not view it. `more_widgets`: how many aren't listed."""

    widgets: tuple[Widget, ...] | None
    more_widgets: int
    connections: tuple[paris.ConnectionLine, ...] | None
    charts: tuple[Chart, ...] | None
    changes: tuple[EntitlementChange, ...] | None
    acts: tuple[paris.ActLine, ...] | None


def overview(workspace: Workspace, user: User) -> Overview:
    now = timezone.now()
    widgets: tuple[Widget, ...] | None = None
    more = 0
    if user.has_perm("venice_api.view_widgetinstance"):
        owned = WidgetInstance.objects.filter(workspace=workspace)
        rows = list(owned.order_by("-updated_at")[:MOST_WIDGETS])
        more = max(owned.count() - len(rows), 0)
        glances = paris.glance_at([from_row(row).feed_key() for row in rows], now=now)
        widgets = tuple(Widget(row, wording.health_of(glances[row.pk])) for row in rows)

    def seen(permission: str, load: Any) -> Any:
        return tuple(load()) if user.has_perm(permission) else None

    return Overview(
        widgets,
        more,
        seen("paris_integration.view_connection", lambda: paris.connections_of(workspace.pk)),
        seen(
            "paris_integration.view_dailyusage",
            lambda: charts_of(paris.usage_of_days(DAYS, now=now, workspace_id=workspace.pk)),
        ),
        seen(
            "entitlements.view_entitlementchange",
            lambda: EntitlementChange.objects.filter(workspace=workspace)[:MOST_CHANGES],
        ),
        seen("paris_integration.view_auditevent", lambda: paris.last_acts(workspace.pk, limit=MOST_CHANGES)),
    )
