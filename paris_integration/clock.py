"""The database's clock, and how long a stored time counts.

Processes whose own clocks differ agree on the database's. A stored time counts only up to the ceiling of its rule, so
that what a wrong clock or an odd header left in a row ends on time. docs/decisions.md lists the ceilings.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q
from django.db.models.functions import Now

from paris_integration.types import Warning

# Two correct clocks differ by less. A time stamped further ahead than this comes from a wrong clock.
CLOCK_TOLERANCE = timedelta(minutes=5)
TRANSIENT_CEILING = timedelta(hours=1)  # of a back-off after a transient fault
LONG_CEILING = timedelta(days=1)  # of every other back-off, and of a throttle
PAUSE_CEILING = timedelta(days=30)
# The provider's deadline is at most a minute. A lease that ends further ahead was stamped by a wrong clock.
LEASE_CEILING = timedelta(minutes=5)
TRANSIENT_FAULTS = frozenset({Warning.PROVIDER_UNAVAILABLE.value, Warning.PROVIDER_ERROR.value})


def database_now() -> datetime:
    """The time by the database's clock, not the start of its transaction. Aware, UTC."""
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
    """How long a stored wait counts: `until`, but at most `ceiling` after it was set. None when it does not count.

    A wait that was set in the future comes from a wrong clock. Where it is not known when it was set (rows of the
    previous release), it counts only while it ends within its ceiling.
    """
    if until is None or (set_at is not None and set_at - now > CLOCK_TOLERANCE):
        return None
    if set_at is None:
        return until if until - now <= ceiling else None
    return min(until, set_at + ceiling)


def backoff_ceiling(fault: str) -> timedelta:
    """The longest back-off that this fault, the name of its warning, can leave."""
    return TRANSIENT_CEILING if fault in TRANSIENT_FAULTS else LONG_CEILING


def is_free(column: str, now: datetime | None = None) -> Q:
    """Rows whose lease, which ends at `column`, is not held: never taken, over, or written by a wrong clock.

    `now`: the database's clock. The query reads it itself when it is left out.
    """
    moment = Now() if now is None else now
    return (
        Q((f"{column}__isnull", True))
        | Q((f"{column}__lte", moment))
        | Q((f"{column}__gt", moment + LEASE_CEILING))
    )
