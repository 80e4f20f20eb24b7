"""Pauses ordered by staff: stored per instance, and copied to its feeds."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from paris_integration import clock
from paris_integration.models import Pause


def ends_of(instance_ids: Iterable[str], *, now: datetime) -> dict[str, datetime]:
    """When each instance's pause ends. Instances without a pause are left out."""
    running = Pause.objects.filter(pk__in=list(instance_ids), until__gt=now)
    ends = {pause.pk: _counted_until(pause, now) for pause in running}
    return {pk: end for pk, end in ends.items() if end is not None and end > now}


def begin(workspace_id: UUID, instance_id: str, *, until: datetime, now: datetime) -> None:
    Pause.objects.update_or_create(
        pk=instance_id, defaults={"workspace_id": workspace_id, "ordered_at": now, "until": until}
    )


def end(instance_id: str) -> None:
    Pause.objects.filter(pk=instance_id).delete()


def move(instance_id: str, *, to: UUID) -> None:
    """Keep the pause of an instance that moves to another workspace."""
    Pause.objects.filter(pk=instance_id).update(workspace_id=to)


def _counted_until(pause: Pause, now: datetime) -> datetime | None:
    return clock.counted_until(pause.until, set_at=pause.ordered_at, ceiling=clock.PAUSE_CEILING, now=now)
