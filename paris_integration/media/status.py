"""How many of a widget's pictures have copies, for editors and support."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db.models import Count, F, Min, Q

from paris_integration.models import PictureUse
from paris_integration.models.media import NOT_WAITING
from paris_integration.types import FeedKey, PictureStatus

WORKSPACE_FULL = "workspace_full"


@dataclass(frozen=True, slots=True)
class Delay:
    """Since when a feed's oldest missing picture waits: for a worker, and for room in the workspace."""

    waiting_since: datetime | None = None
    full_since: datetime | None = None


def delay_of(feed_id: UUID) -> Delay:
    """How long the feed's pictures have been waiting for copies."""
    if not settings.MEDIA_COPIES:
        return Delay()
    missing = PictureUse.objects.filter(feed_id=feed_id, picture__isnull=True)
    found = missing.aggregate(
        waiting=Min("wanted_since", filter=~Q(reason__in=NOT_WAITING)),
        full=Min("wanted_since", filter=Q(reason=WORKSPACE_FULL)),
    )
    return Delay(found["waiting"], found["full"])


def picture_status(key: FeedKey) -> PictureStatus | None:
    """The state of the copies for the widget's source. None if copies are switched off, or none were wanted yet."""
    if not settings.MEDIA_COPIES:
        return None
    uses = PictureUse.objects.filter(**{f"feed__{name}": value for name, value in key.columns.items()})
    is_copied = Q(picture__isnull=False, copied_name=F("file_name"))
    rows = list(
        uses.filter(feed__last_read_at__isnull=False)
        .order_by()
        .values_list("reason")
        .annotate(total=Count("pk"), copied=Count("pk", filter=is_copied))
    )
    if not rows:
        return None
    missing = {reason: total - copied for reason, total, copied in rows if reason and total > copied}
    return PictureStatus(
        copied=sum(copied for _, _, copied in rows),
        wanted=sum(total for _, total, _ in rows),
        reason=max(missing, key=missing.__getitem__) if missing else "",
    )
