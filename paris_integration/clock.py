"""The database's clock, and limits for stored times.

Processes with different clocks agree on the database's. Every stored wait has a maximum length, so that a time written
by a wrong clock or a strange header ends. docs/decisions.md lists the limits.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from paris_integration.types import Warning

# Correct clocks differ by less. A time further ahead than this was written by a wrong clock.
CLOCK_TOLERANCE = timedelta(minutes=5)
TRANSIENT_CEILING = timedelta(hours=1)  # of a back-off after a transient fault
LONG_CEILING = timedelta(days=1)  # of every other back-off, and of a rate limit
PAUSE_CEILING = timedelta(days=30)
# Calls to the provider take a minute at most. A lease that ends later than this was written by a wrong clock.
LEASE_CEILING = timedelta(minutes=5)
TRANSIENT_FAULTS = frozenset({Warning.PROVIDER_UNAVAILABLE.value, Warning.PROVIDER_ERROR.value})


def database_now() -> datetime:
    """The current time by the database's clock. Aware, UTC."""
    # `now()` would be the start of the transaction on PostgreSQL.
    sql = (
        "SELECT clock_timestamp()"
        if connection.vendor == "postgresql"
        else "SELECT strftime('%Y-%m-%dT%H:%M:%f', 'now')"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql)
        (moment,) = cursor.fetchone()
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    return moment.astimezone(UTC)  # type: ignore[no-any-return]


def moment() -> Any:
    """The database's clock as an expression, for a statement that reads or writes it."""
    return Now()


def counted_until(
    until: datetime | None, *, set_at: datetime | None, ceiling: timedelta, now: datetime
) -> datetime | None:
    """The end of a stored wait: `until`, but at most `ceiling` after it was set. None: ignore the wait.

    `set_at` None: unknown (rows of the previous release). Such a wait counts if it ends within `ceiling` from now.
    """
    # A wait set in the future was written by a wrong clock.
    if until is None or (set_at is not None and set_at - now > CLOCK_TOLERANCE):
        return None
    if set_at is None:
        return until if until - now <= ceiling else None
    return min(until, set_at + ceiling)


def backoff_ceiling(fault: str) -> timedelta:
    """The longest back-off after a fault, given by the name of its warning."""
    return TRANSIENT_CEILING if fault in TRANSIENT_FAULTS else LONG_CEILING


def is_free(column: str, now: datetime | None = None) -> Q:
    """Rows whose lease is free: never taken, expired, or written by a wrong clock.

    `column`: the time when the lease expires. `now`: by the database's clock; None reads it in the query.
    """
    moment = Now() if now is None else now
    return (
        Q((f"{column}__isnull", True))
        | Q((f"{column}__lte", moment))
        | Q((f"{column}__gt", moment + LEASE_CEILING))
    )
