"""After a change of limits, the feeds of its workspaces are checked again: their times were computed before it.

A change of a plan can concern hundreds of thousands of feeds. Its transaction notes the workspaces, and beat does the
rest in parts, whenever no more feeds are due than it can claim.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from paris_integration.models import Feed, LimitsChange

WORKSPACES_AT_ONCE = 100


def on_limits_changed(sender: object, *, workspace_ids: Any, now: datetime, **_: object) -> None:
    """Reschedule the feeds of these workspaces: at once if they are few, else note them for `reschedule_next`."""
    ids = [str(workspace_id) for workspace_id in workspace_ids]
    if len(ids) <= WORKSPACES_AT_ONCE:
        _reschedule(ids, now)
        return
    parts = (ids[first : first + WORKSPACES_AT_ONCE] for first in range(0, len(ids), WORKSPACES_AT_ONCE))
    LimitsChange.objects.bulk_create((LimitsChange(workspace_ids=part) for part in parts), batch_size=100)


def reschedule_next(*, now: datetime) -> bool:
    """Reschedule the feeds of the workspaces that were noted first. False if there are none."""
    with transaction.atomic():
        waiting = LimitsChange.objects.select_for_update(skip_locked=True).order_by("pk")
        change = waiting.first()
        if change is None:
            return False
        _reschedule(change.workspace_ids, now)
        change.delete()
    return True


def _reschedule(workspace_ids: Sequence[str], now: datetime) -> None:
    """Let beat check these feeds now. Those that are due already keep their place."""
    checked = Feed.objects.filter(workspace_id__in=workspace_ids, last_read_at__isnull=False)
    later = checked.exclude(next_refresh_at__lte=now)
    ids = list(later.select_for_update(no_key=True).order_by("pk").values_list("pk", flat=True))
    Feed.objects.filter(pk__in=ids).update(next_refresh_at=now)
