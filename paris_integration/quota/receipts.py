"""Receipts of refresh requests with an Idempotency-Key.

A receipt stores no posts: a repeated request gets the current feed. It is valid for a day on the database's clock,
whether or not clean-up has removed it by then.
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
    """Identifies a request: one with the same values is a repeat."""

    user_id: int
    instance_id: str
    key: str


class State(Enum):
    NEW = "new"  # no such request in the last day
    UNDER_WAY = "under way"  # its unit is charged, and its refresh is still running
    ENDED = "ended"


def state_of(request: Repeatable, *, now: datetime) -> State:
    row = _rows(request).exclude(_is_expired(now)).select_related("forced_refresh").first()
    if row is None:
        return State.NEW
    line = row.forced_refresh
    is_open = line is not None and line.state == ForcedRefresh.State.RESERVED
    return State.UNDER_WAY if is_open else State.ENDED


def open_for(request: Repeatable, line: ForcedRefresh, *, now: datetime) -> None:
    """Write the receipt of a charged unit. Raises IntegrityError if a request with the same key was first."""
    _delete_expired(request, now)
    RefreshReceipt.objects.create(**_of(request), forced_refresh=line, created_at=now)


def keep(request: Repeatable, *, now: datetime) -> None:
    """Write the receipt of a request that cost no unit, unless there is one already."""
    _delete_expired(request, now)
    RefreshReceipt.objects.bulk_create(
        [RefreshReceipt(**_of(request), created_at=now)], ignore_conflicts=True
    )


def expired(*, now: datetime) -> QuerySet[RefreshReceipt]:
    """The receipts that are no longer valid."""
    return RefreshReceipt.objects.filter(_is_expired(now))


def _is_expired(now: datetime) -> Q:
    # A time far in the future was written by a wrong clock.
    return Q(created_at__lt=now - LASTS) | Q(created_at__gt=now + LASTS)


def _delete_expired(request: Repeatable, now: datetime) -> None:
    """Delete an expired receipt, which would violate the unique constraint."""
    _rows(request).filter(_is_expired(now)).delete()


def _rows(request: Repeatable) -> QuerySet[RefreshReceipt]:
    return RefreshReceipt.objects.filter(**_of(request))


def _of(request: Repeatable) -> dict[str, int | str]:
    return {"user_id": request.user_id, "instance_id": request.instance_id, "key": request.key}
