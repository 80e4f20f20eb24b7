"""A workspace's connections and its last acts, for staff."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from paris_integration.models import AuditEvent, Connection
from paris_integration.types import ConnectionState, Login

MOST_CONNECTIONS = 50


@dataclass(frozen=True, slots=True)
class ConnectionLine:
    connection_id: UUID
    username: str
    login: Login
    state: ConnectionState
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class ActLine:
    """`action` and `outcome` in words. `instance_id` "": the act wasn't about one widget."""

    at: datetime
    actor: str
    action: str
    outcome: str
    instance_id: str


def connections_of(workspace_id: UUID) -> list[ConnectionLine]:
    """MOST_CONNECTIONS of the workspace's connections: those with the latest change of state."""
    rows = Connection.objects.filter(workspace_id=workspace_id).order_by("-state_changed_at", "pk")
    columns = rows.values_list("pk", "username", "login", "state", "expires_at")
    return [
        ConnectionLine(pk, username, Login(login), ConnectionState(state), ends_at)
        for pk, username, login, state, ends_at in columns[:MOST_CONNECTIONS]
    ]


def count_connections(workspace_id: UUID) -> int:
    return Connection.objects.filter(workspace_id=workspace_id).count()


def last_acts(workspace_id: UUID, *, limit: int) -> list[ActLine]:
    """The newest events of the workspace's audit trail."""
    rows = AuditEvent.objects.filter(workspace_id=workspace_id)[:limit]
    return [
        ActLine(row.at, row.actor, row.get_action_display(), row.get_outcome_display(), row.instance_id)
        for row in rows
    ]
