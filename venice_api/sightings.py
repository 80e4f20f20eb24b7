"""On which pages a widget is shown, and how often it is read. Nothing about visitors is noted.

A page is the host name in a read's `Origin`, or in its `Referer` where browsers send no `Origin`. Answers from caches
aren't counted. Noted in memory and written every few seconds.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from operator import add
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection
from django.db.models import Model

from foundation.batches import delete_in_batches
from foundation.buffers import Buffer, registered
from venice_api.models import DailyReads, PageSighting, WidgetInstance

KEPT_DAYS = 30
MAX_PAGES = 50
# A page seen more recently keeps its place when there are MAX_PAGES: made-up host names can't push it out.
PROTECTED_FOR = timedelta(days=1)
_HOST = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    host: str
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class Sightings:
    """`pages`: seen last first. `reads`: the number on each of the last KEPT_DAYS days (UTC), the oldest first."""

    pages: tuple[Page, ...]
    reads: tuple[tuple[date, int], ...]


def host_of(origin: str | None, referer: str | None) -> str:
    """The lower-case host name of the page that shows the widget; "" if it is unknown or the service itself."""
    sent = origin or referer
    return _host_of_page(sent, settings.PUBLIC_BASE_URL) if sent else ""


@lru_cache(maxsize=1_024)
def _host_of_page(sent: str, own_url: str) -> str:
    try:
        host = urlsplit(sent.strip()).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    is_own = host == urlsplit(own_url).netloc
    return name if _HOST.fullmatch(name) and not is_own else ""


def note_page(instance_id: str, host: str, *, now: datetime) -> None:
    """Note that a page of this host shows the widget. "" notes nothing."""
    if host:
        pages.note((instance_id, host), now)


def note_read(instance_id: str, *, now: datetime, number: int = 1) -> None:
    """Count so many reads of the widget's feed."""
    reads.note((instance_id, now.date()), number)


def sightings_of(instance_id: str, *, now: datetime) -> Sightings:
    since = now - timedelta(days=KEPT_DAYS)
    seen = PageSighting.objects.filter(instance_id=instance_id, last_seen_at__gt=since).order_by(
        "-last_seen_at"
    )
    days = [now.date() - timedelta(days=ago) for ago in reversed(range(KEPT_DAYS))]
    counts = dict(
        DailyReads.objects.filter(instance_id=instance_id, day__gte=days[0]).values_list("day", "reads")
    )
    return Sightings(
        pages=tuple(Page(row.host, row.last_seen_at) for row in seen[:MAX_PAGES]),
        reads=tuple((day, counts.get(day, 0)) for day in days),
    )


def remove_old(*, now: datetime) -> int:
    """Delete what is older than KEPT_DAYS. Returns how many rows."""
    pages = PageSighting.objects.filter(last_seen_at__lte=now - timedelta(days=KEPT_DAYS))
    days = DailyReads.objects.filter(day__lte=now.date() - timedelta(days=KEPT_DAYS))
    return delete_in_batches(pages) + delete_in_batches(days)


def _write_page(key: tuple[str, str], seen_at: datetime) -> None:
    instance_id, host = key
    others = PageSighting.objects.filter(instance_id=instance_id).exclude(host=host).order_by("-last_seen_at")
    last_place = others.values_list("last_seen_at", flat=True)[MAX_PAGES - 1 : MAX_PAGES].first()
    if last_place is not None and last_place > seen_at - PROTECTED_FOR:
        is_known = PageSighting.objects.filter(instance_id=instance_id, host=host).exists()
        if not is_known:
            return
    _upsert(
        PageSighting,
        instance_id,
        {"host": host, "last_seen_at": seen_at},
        "last_seen_at = CASE WHEN excluded.last_seen_at > {table}.last_seen_at "
        "THEN excluded.last_seen_at ELSE {table}.last_seen_at END",
        unique="host",
    )
    surplus = PageSighting.objects.filter(instance_id=instance_id).order_by("-last_seen_at", "pk")
    PageSighting.objects.filter(pk__in=list(surplus.values_list("pk", flat=True)[MAX_PAGES:])).delete()


def _write_reads(key: tuple[str, date], number: int) -> None:
    instance_id, day = key
    _upsert(
        DailyReads,
        instance_id,
        {"day": day, "reads": number},
        "reads = {table}.reads + excluded.reads",
        unique="day",
    )


def _upsert(
    model: type[Model], instance_id: str, values: dict[str, Any], on_conflict: str, *, unique: str
) -> None:
    """Insert a row of the instance, or update it, in one statement. Does nothing for a deleted instance."""
    table, instances = model._meta.db_table, WidgetInstance._meta.db_table
    marks = ", ".join(["%s"] * len(values))
    sql = (
        f"INSERT INTO {table} (instance_id, {', '.join(values)}) "  # noqa: S608 - names of our own
        f"SELECT id, {marks} FROM {instances} WHERE id = %s "
        f"ON CONFLICT (instance_id, {unique}) DO UPDATE SET {on_conflict.format(table=table)}"
    )
    fields = {field.name: field for field in model._meta.concrete_fields}
    stored = [fields[name].get_db_prep_value(value, connection) for name, value in values.items()]
    with connection.cursor() as cursor:
        cursor.execute(sql, [*stored, instance_id])


pages = registered(Buffer("pages", merge=max, write=_write_page))
reads = registered(Buffer("reads", merge=add, write=_write_reads))
