"""One refresher per feed: a lease taken by compare-and-set in the database, and a fenced write.

Lease times are the database's clock: processes whose clocks disagree still agree on who holds the feed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models import F
from django.db.models.functions import Now

from paris_integration import clock
from paris_integration.models import Feed


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to refresh `feed_id`, as flight number `fence`."""

    feed_id: UUID
    fence: int


def acquire(feed_id: UUID, *, seen_fence: int, lasts: timedelta) -> Lease | None:
    """Take the feed, or None when another holds it or a flight has begun or ended since the caller looked.

    Comparing with `seen_fence` is the second look inside the lock: a caller that judged the feed by an older row
    loses, and must look again, instead of repeating the flight that has just landed.
    """
    taken = Feed.objects.filter(clock.is_free("lease_expires_at"), pk=feed_id, fence=seen_fence).update(
        fence=F("fence") + 1, lease_expires_at=Now() + lasts
    )
    return Lease(feed_id, seen_fence + 1) if taken else None


def write(lease: Lease, **values: Any) -> bool:
    """Write the flight's result and give the lease back, in one statement; False when another flight has begun.

    The fence rises here, too: a caller that read the row during the flight has not seen its result.
    """
    flight = Feed.objects.filter(pk=lease.feed_id, fence=lease.fence)
    return bool(flight.update(fence=F("fence") + 1, lease_expires_at=None, **values))


def is_held(feed_id: UUID) -> bool:
    """Whether a flight of this feed is under way."""
    return flight_under_way(feed_id) is not None


def flight_under_way(feed_id: UUID) -> int | None:
    """The number of the feed's flight under way, None when there is none."""
    flying = Feed.objects.filter(~clock.is_free("lease_expires_at"), pk=feed_id)
    return flying.values_list("fence", flat=True).first()
