"""Writes the audit trail. Call it inside the transaction of the action."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models.expressions import Combinable

from paris_integration.models import AuditEvent
from paris_integration.types import Actor, FeedKey

Action = AuditEvent.Action
Outcome = AuditEvent.Outcome


SERVICE = Actor(None, "service")


def note(
    action: Action,
    outcome: Outcome,
    *,
    workspace_id: UUID | None,
    instance_id: str,
    actor: Actor,
    at: datetime | Combinable,
    reason: str = "",
    note: str = "",
) -> None:
    AuditEvent.objects.create(
        at=at,
        workspace_id=workspace_id,
        instance_id=instance_id,
        actor=actor.name[:150],
        user_id=actor.user_id,
        action=action,
        outcome=outcome,
        reason=reason[:40],
        note=note[:500],
    )


def note_act(action: Action, key: FeedKey, *, actor: Actor, at: datetime, detail: str = "") -> None:
    """Record an action on a widget."""
    # `detail` must not name an account or a post: the audit trail is kept after both are erased.
    note(
        action,
        Outcome.DONE,
        workspace_id=key.workspace_id,
        instance_id=key.instance_id,
        actor=actor,
        at=at,
        note=detail,
    )
