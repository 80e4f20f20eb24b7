"""Pauses that staff ordered: kept per instance, carried by its feeds."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from paris_integration.models import Pause


def columns_of(instance_id: str, *, now: datetime) -> dict[str, datetime | None]:
    """What a new feed of the instance carries of its pause; nothing when there is none."""
    pause = Pause.objects.filter(pk=instance_id, until__gt=now).first()
    return {"paused_at": pause.ordered_at, "paused_until": pause.until} if pause else {}


def begin(workspace_id: UUID, instance_id: str, *, until: datetime, now: datetime) -> None:
    Pause.objects.update_or_create(
        pk=instance_id, defaults={"workspace_id": workspace_id, "ordered_at": now, "until": until}
    )


def end(instance_id: str) -> None:
    Pause.objects.filter(pk=instance_id).delete()
