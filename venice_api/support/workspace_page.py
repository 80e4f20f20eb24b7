"""What staff see of one workspace beside its limits: widgets with health, connections, usage and last changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import User
from django.utils import timezone

from entitlements import keys
from entitlements.models import EntitlementChange, Workspace
from paris_integration import public as paris
from venice_api import wording
from venice_api.instances import from_row
from venice_api.models import WidgetInstance
from venice_api.support.charts import Chart, charts_of

T = TypeVar("T")
DAYS = 30
MOST_WIDGETS = 50
MOST_CHANGES = 10
_MEANINGS = {key.name: key.meaning.partition(". ")[0].rstrip(".") for key in keys.KEYS}


@dataclass(frozen=True, slots=True)
class Widget:
    row: WidgetInstance
    health: wording.Health


@dataclass(frozen=True, slots=True)
class Connection:
    """`login` and `state` in words; `code`: the stored state. `is_usable`: Instagram accepts it."""

    connection_id: UUID
    username: str
    login: str
    state: str
    code: str
    is_usable: bool
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Change:
    """`code`: the key of the changed value."""

    at: datetime
    actor: str
    what: str
    code: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Overview:
    """Each part is None for people who may not view it. `more_…`: how many aren't listed."""

    widgets: tuple[Widget, ...] | None
    more_widgets: int
    connections: tuple[Connection, ...] | None
    more_connections: int
    charts: tuple[Chart, ...] | None
    changes: tuple[Change, ...] | None
    acts: tuple[paris.ActLine, ...] | None
    existing_ids: frozenset[str]  # of the acts' widgets: those that weren't deleted


def overview(workspace: Workspace, user: User) -> Overview:
    now = timezone.now()

    def seen(permission: str, load: Callable[[], Iterable[T]]) -> tuple[T, ...] | None:
        return tuple(load()) if user.has_perm(permission) else None

    widgets = seen("venice_api.view_widgetinstance", lambda: _widgets(workspace, now))
    connections = seen("paris_integration.view_connection", lambda: _connections(workspace))
    acts = seen(
        "paris_integration.view_auditevent", lambda: paris.last_acts(workspace.pk, limit=MOST_CHANGES)
    )
    about = WidgetInstance.objects.filter(pk__in=[act.instance_id for act in acts or ()])
    return Overview(
        widgets=widgets,
        more_widgets=_more(widgets, MOST_WIDGETS, WidgetInstance.objects.filter(workspace=workspace).count),
        connections=connections,
        more_connections=_more(
            connections, paris.MOST_CONNECTIONS, lambda: paris.count_connections(workspace.pk)
        ),
        charts=seen(
            "paris_integration.view_dailyusage",
            lambda: charts_of(paris.usage_of_days(DAYS, now=now, workspace_id=workspace.pk)),
        ),
        changes=seen("entitlements.view_entitlementchange", lambda: _changes(workspace)),
        acts=acts,
        existing_ids=frozenset(about.values_list("pk", flat=True)),
    )


def widgets_of(rows: Iterable[WidgetInstance], now: datetime) -> list[Widget]:
    """The widgets with their health."""
    found = list(rows)
    glances = paris.glance_at([from_row(row).feed_key() for row in found], now=now)
    return [Widget(row, wording.health_of(glances[row.pk])) for row in found]


def _widgets(workspace: Workspace, now: datetime) -> list[Widget]:
    """What needs somebody first, then what was changed last."""
    rows = WidgetInstance.objects.filter(workspace=workspace).order_by("-updated_at", "pk")[:MOST_WIDGETS]
    urgency = {wording.Tone.BAD: 0, wording.Tone.WAITING: 1, wording.Tone.GOOD: 2}
    return sorted(widgets_of(rows, now), key=lambda widget: urgency[widget.health.tone])


def _connections(workspace: Workspace) -> list[Connection]:
    return [
        Connection(
            row.connection_id,
            row.username,
            wording.LOGINS[row.login],
            wording.connection_words(row.state),
            row.state.value,
            not wording.connection_fault(row.state),
            row.ends_at,
        )
        for row in paris.connections_of(workspace.pk)
    ]


def _changes(workspace: Workspace) -> list[Change]:
    rows = EntitlementChange.objects.filter(workspace=workspace)[:MOST_CHANGES]
    return [
        Change(
            row.at,
            row.actor,
            _MEANINGS.get(row.key, row.key.replace("_", " ").capitalize()),
            row.key,
            row.old_value,
            row.new_value,
        )
        for row in rows
    ]


def _more(listed: tuple[object, ...] | None, most: int, count: Callable[[], int]) -> int:
    return max(count() - len(listed), 0) if listed is not None and len(listed) >= most else 0
