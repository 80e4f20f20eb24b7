"""A workspace's connections and its last acts, for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from paris_integration.models import AuditEvent, Connection


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    connection_id: UUID
    username: str
    login: str
    state: str
    cause: str
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActLine:
    at: datetime
    actor: str
    action: str
    outcome: str
    instance_id: str


def connections_of(workspace_id: UUID, *, limit: int = 50) -> list[ConnectionLine]:
    """The workspace's connections, the latest change of state first."""
    rows = Connection.objects.filter(workspace_id=workspace_id).defer("token").order_by("-state_changed_at")
    return [
        ConnectionLine(row.pk, row.username, row.login, row.state, row.cause, row.expires_at)
        for row in rows[:limit]
    ]


def last_acts(workspace_id: UUID, *, limit: int) -> list[ActLine]:
    """The newest events of the workspace's audit trail."""
    rows = AuditEvent.objects.filter(workspace_id=workspace_id)[:limit]
    return [
        ActLine(row.at, row.actor, row.get_action_display(), row.get_outcome_display(), row.instance_id)
        for row in rows
    ]
