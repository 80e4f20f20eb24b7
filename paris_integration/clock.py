"""The database's clock, for what is charged: processes whose own clocks differ agree on it."""

from __future__ import annotations

from datetime import UTC, datetime

from django.db import connection


def database_now() -> datetime:
    """This very moment by the database's clock, not the beginning of its transaction. Aware, UTC."""
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
