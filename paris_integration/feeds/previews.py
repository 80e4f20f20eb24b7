"""Previews of unsaved sources: their hourly budget, and the feeds that belong to no widget."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F

from paris_integration.errors import PreviewBudgetSpent
from paris_integration.models import Feed, PreviewWindow
from paris_integration.models.feeds import forget_copies
from paris_integration.observing import metrics

# The instance id of feeds that were previewed for a new widget. No widget has it: their ids contain no spaces.
NEW_WIDGET = "new widget"


def on_feed_deleted(sender: object, *, instance: Feed, **_: object) -> None:
    """Delete the cached copy of a new widget's preview with its workspace. Those of widgets are deleted with them."""
    if instance.instance_id == NEW_WIDGET:
        transaction.on_commit(partial(forget_copies, [instance]))


def charge(workspace_id: UUID, *, now: datetime) -> None:
    """Count one preview in this hour (UTC). Raises PreviewBudgetSpent with the start of the next hour."""
    starts_at = now.replace(minute=0, second=0, microsecond=0)
    window, _ = PreviewWindow.objects.get_or_create(workspace_id=workspace_id, starts_at=starts_at)
    charged = PreviewWindow.objects.filter(pk=window.pk, used__lt=settings.PREVIEW_FETCHES_PER_HOUR)
    # One conditional write, so that concurrent previews can't exceed the budget.
    if not charged.update(used=F("used") + 1):
        metrics.count_blocked(workspace_id, "PREVIEW_BUDGET")
        raise PreviewBudgetSpent(retry_at=starts_at + timedelta(hours=1))
