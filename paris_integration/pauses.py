"""Pauses that staff ordered: kept per instance, carried by its feeds as a back-off."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from paris_integration.models import Feed, Pause


def ends_at(instance_id: str, *, now: datetime) -> datetime | None:
    """When the instance's pause ends, None when there is none."""
    return Pause.objects.filter(pk=instance_id, until__gt=now).values_list("until", flat=True).first()


def ends_of(instance_ids: Iterable[str], *, now: datetime) -> dict[str, datetime]:
    """As `ends_at`, for many at once; instances without a pause are left out."""
    running = Pause.objects.filter(pk__in=list(instance_ids), until__gt=now)
    return dict(running.values_list("pk", "until"))


def begin(workspace_id: UUID, instance_id: str, *, until: datetime) -> None:
    Pause.objects.update_or_create(pk=instance_id, defaults={"workspace_id": workspace_id, "until": until})


def end(instance_id: str) -> None:
    Pause.objects.filter(pk=instance_id).delete()


def uphold(instance_ids: Iterable[str], *, now: datetime) -> None:
    """Put the pauses on the instances' feeds again, after something cleared their back-off."""
    for pause in Pause.objects.filter(pk__in=list(instance_ids), until__gt=now):
        Feed.objects.filter(instance_id=pause.pk).update(
            blocked_until=pause.until, next_refresh_at=pause.until
        )
