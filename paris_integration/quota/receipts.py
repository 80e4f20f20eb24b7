"""Receipts of refresh requests with an Idempotency-Key: that the request was made, and the unit it was charged.

A receipt keeps no posts: a repeat is answered with the feed as it is by then. It counts for a day on the database's
clock, whether or not clean-up has removed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from django.db.models import Q, QuerySet

from paris_integration.models import ForcedRefresh, RefreshReceipt

LASTS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What makes a request the same one again."""

    user_id: int
    instance_id: str
    key: str


class State(Enum):
    NEW = "new"  # no such request within a day
    UNDER_WAY = "under way"  # its unit is charged, and its refresh has not ended
    ENDED = "ended"


def state_of(request: Repeatable, *, now: datetime) -> State:
    row = _rows(request).exclude(_is_expired(now)).select_related("forced_refresh").first()
    if row is None:
        return State.NEW
    line = row.forced_refresh
    is_open = line is not None and line.state == ForcedRefresh.State.RESERVED
    return State.UNDER_WAY if is_open else State.ENDED


def open_for(request: Repeatable, line: ForcedRefresh, *, now: datetime) -> None:
    """Write the receipt of a unit that is charged. Raises IntegrityError when the same request came first."""
    _delete_expired(request, now)
    RefreshReceipt.objects.create(**_of(request), forced_refresh=line, created_at=now)


def keep(request: Repeatable, *, now: datetime) -> None:
    """Write the receipt of a request that cost no unit; one that stands already stays."""
    _delete_expired(request, now)
    RefreshReceipt.objects.bulk_create(
        [RefreshReceipt(**_of(request), created_at=now)], ignore_conflicts=True
    )


def expired(*, now: datetime) -> QuerySet[RefreshReceipt]:
    """The receipts that no longer count."""
    return RefreshReceipt.objects.filter(_is_expired(now))


def _is_expired(now: datetime) -> Q:
    # A time far ahead comes from a clock that was wrong.
    return Q(created_at__lt=now - LASTS) | Q(created_at__gt=now + LASTS)


def _delete_expired(request: Repeatable, now: datetime) -> None:
    """An expired receipt still holds the unique key. Of two requests that take it over, one inserts."""
    _rows(request).filter(_is_expired(now)).delete()


def _rows(request: Repeatable) -> QuerySet[RefreshReceipt]:
    return RefreshReceipt.objects.filter(**_of(request))


def _of(request: Repeatable) -> dict[str, int | str]:
    return {"user_id": request.user_id, "instance_id": request.instance_id, "key": request.key}
