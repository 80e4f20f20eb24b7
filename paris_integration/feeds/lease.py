"""One refresh per feed at a time: a lease taken by compare-and-set in the database, and a fenced write.

Lease times use the database's clock, so that processes with different clocks agree on who holds the lease.
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
    """The right to refresh `feed_id`. `fence` is the number of this refresh."""

    feed_id: UUID
    fence: int


def acquire(feed_id: UUID, *, seen_fence: int, lasts: timedelta) -> Lease | None:
    """Take the lease. None if another refresh holds it, or began or ended since the caller read `seen_fence`."""
    # Comparing the fence is the second check of double-checked locking: a caller that decided by an older row must read
    # it again instead of repeating the refresh that has just ended.
    taken = Feed.objects.filter(clock.is_free("lease_expires_at"), pk=feed_id, fence=seen_fence).update(
        fence=F("fence") + 1, lease_expires_at=Now() + lasts
    )
    return Lease(feed_id, seen_fence + 1) if taken else None


def write(lease: Lease, **values: Any) -> bool:
    """Write the result and release the lease in one statement. False if another refresh has begun since."""
    # The fence rises here as well: a caller that read the row during the refresh hasn't seen its result.
    flight = Feed.objects.filter(pk=lease.feed_id, fence=lease.fence)
    return bool(flight.update(fence=F("fence") + 1, lease_expires_at=None, **values))


def is_held(feed_id: UUID) -> bool:
    """Whether a refresh of this feed is running."""
    return flight_under_way(feed_id) is not None


def flight_under_way(feed_id: UUID) -> int | None:
    """The number of the running refresh of this feed, or None."""
    flying = Feed.objects.filter(~clock.is_free("lease_expires_at"), pk=feed_id)
    return flying.values_list("fence", flat=True).first()
