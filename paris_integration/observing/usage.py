"""The daily usage of a workspace, for support. Counted in memory and added to the day's row every few seconds.

Requests never wait for it. A killed process loses the counts of its last seconds; an orderly shutdown writes them.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import Counter
from datetime import date
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, connection
from django.utils import timezone

from entitlements.models import Workspace
from foundation import faults, threads
from paris_integration.models import DailyUsage

logger = logging.getLogger(__name__)

COLUMNS = ("feed_requests", "automatic_refreshes", "forced_refreshes", "blocked_refreshes", "provider_errors")
MAX_ROWS_HELD = 50_000  # while the database is away; beyond it, new workspaces are not counted

_Row = tuple[str, date]


class Buffer:
    """Counts of this process that are not yet written."""

    def __init__(self) -> None:
        self._counts: dict[_Row, Counter[str]] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._thread_of_pid = 0  # the process that has the thread: a forked child has none and starts its own

    def note(self, workspace_id: UUID | str, column: str) -> None:
        self._add((str(workspace_id), timezone.now().date()), Counter({column: 1}))
        self._ensure_thread()

    def flush(self) -> None:
        """Write the counts. Those that can't be written now are kept for later."""
        with self._writing:
            with self._lock:
                counts, self._counts = self._counts, {}
            # Sorted, so that two processes update the rows in the same order and can't deadlock.
            for place, row in enumerate(sorted(counts)):
                try:
                    _add_to_row(row, counts[row])
                except IntegrityError:
                    continue  # the workspace is being deleted
                except faults.DRIVER_ERRORS as error:
                    logger.warning("usage not written yet: %s", type(error).__name__)
                    for unwritten in sorted(counts)[place:]:
                        self._add(unwritten, counts[unwritten])
                    return

    def _add(self, row: _Row, counts: Counter[str]) -> None:
        with self._lock:
            if row in self._counts or len(self._counts) < MAX_ROWS_HELD:
                self._counts.setdefault(row, Counter()).update(counts)

    def _ensure_thread(self) -> None:
        if self._thread_of_pid == os.getpid() or not settings.USAGE_FLUSH_SECONDS:
            return
        with self._lock:
            if self._thread_of_pid == os.getpid():
                return
            self._thread_of_pid = os.getpid()
        atexit.register(threads.run, self._flush_safely)
        threads.repeat(self._flush_later, name="usage-flush")

    def _flush_later(self) -> None:
        time.sleep(settings.USAGE_FLUSH_SECONDS)
        self._flush_safely()

    def _flush_safely(self) -> None:
        try:
            self.flush()
        except Exception as error:  # noqa: BLE001 - a bug here may cost numbers, never the thread
            logger.error("usage not written: %s", type(error).__name__)


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


buffer = Buffer()


def note(workspace_id: UUID | str, column: str) -> None:
    """Count one of COLUMNS for the workspace's day (UTC)."""
    buffer.note(workspace_id, column)


def flush_usage() -> None:
    """Write the counts of this process that are not yet written."""
    buffer.flush()
