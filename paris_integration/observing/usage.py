"""The daily usage of a workspace, for support."""

from __future__ import annotations

from collections import Counter
from datetime import date
from operator import add
from uuid import UUID

from django.db import connection
from django.utils import timezone

from entitlements.models import Workspace
from foundation.buffers import Buffer, registered
from paris_integration.models import DailyUsage

COLUMNS = ("feed_requests", "automatic_refreshes", "forced_refreshes", "blocked_refreshes", "provider_errors")

_Row = tuple[str, date]


def note(workspace_id: UUID | str, column: str, *, number: int = 1) -> None:
    """Count so many of one of COLUMNS for the workspace's day (UTC)."""
    buffer.note((str(workspace_id), timezone.now().date()), Counter({column: number}))


def new_buffer() -> Buffer[_Row, Counter[str]]:
    return Buffer("usage", merge=add, write=_add_to_row)


def _add_to_row(row: _Row, counts: Counter[str]) -> None:
    """Insert the row, or add to it, in one statement. Does nothing for a deleted workspace."""
    table, workspaces = DailyUsage._meta.db_table, Workspace._meta.db_table
    names = ", ".join(COLUMNS)
    sums = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in COLUMNS)
    values = ", ".join(str(int(counts[name])) for name in COLUMNS)
    sql = (
        f"INSERT INTO {table} (workspace_id, day, {names}) "  # noqa: S608 - names and numbers of our own
        f"SELECT id, %s, {values} FROM {workspaces} WHERE id = %s "
        f"ON CONFLICT (workspace_id, day) DO UPDATE SET {sums}"
    )
    workspace_id = DailyUsage._meta.get_field("workspace").get_db_prep_value(row[0], connection)
    day = DailyUsage._meta.get_field("day").get_db_prep_value(row[1], connection)
    with connection.cursor() as cursor:
        cursor.execute(sql, [day, workspace_id])


buffer = registered(new_buffer())
