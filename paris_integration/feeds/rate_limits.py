"""Rate limits per credential. When Meta throttles a token, all feeds that use it wait."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from foundation.prepared import Prepared
from paris_integration import clock
from paris_integration.feeds import schedule
from paris_integration.models import ProviderWindow
from paris_integration.providers.base import Usage

NOTE_AGAIN = timedelta(minutes=1)

_windows: Prepared[ProviderWindow] = Prepared(
    lambda credential: ProviderWindow.objects.filter(credential=credential), credential=str
)


def parked_until(credential: str, *, now: datetime) -> datetime | None:
    """When this credential may be used again; None if it may be used now."""
    row = _windows.first(credential=credential)
    counted = _counted_until(row, now) if row else None
    return counted if counted is not None and counted > now else None


def throttles(credential: str) -> int:
    """The number of throttles in a row, for the back-off that doubles if the provider names no time."""
    return (
        ProviderWindow.objects.filter(credential=credential).values_list("throttles", flat=True).first() or 0
    )


@transaction.atomic
def park(credential: str, *, until: datetime, now: datetime) -> None:
    """Stop calls with this credential until `until`. Never shortens a longer wait."""
    ProviderWindow.objects.get_or_create(credential=credential)  # only an existing row can be locked
    row = ProviderWindow.objects.select_for_update().get(credential=credential)
    counted = _counted_until(row, now)
    if counted is None or counted < until:
        row.parked_at, row.parked_until = now, until
    row.throttles += 1
    row.save(update_fields=("parked_at", "parked_until", "throttles"))


def open_window(credential: str) -> None:
    """Allow calls with this credential again."""
    ProviderWindow.objects.filter(credential=credential).update(
        parked_at=None, parked_until=None, throttles=0
    )


def note_success(credential: str, usage: Usage, *, now: datetime) -> datetime | None:
    """Record a successful call and its usage headers. Returns the end of the wait they ask for, or None."""
    row = _windows.first(credential=credential)
    if usage != Usage() and not _is_noted(row, usage, now):
        _note_usage(credential, usage, now)
        row = _windows.first(credential=credential)
    if row is None:
        return None
    if row.throttles and usage == Usage():
        ProviderWindow.objects.filter(credential=credential).update(throttles=0)
    counted = _counted_until(row, now)
    return counted if counted is not None and counted > now else None


def _is_noted(row: ProviderWindow | None, usage: Usage, now: datetime) -> bool:
    """Whether the row already says the same. All public feeds share one row, and would wait for each other's writes."""
    return (
        row is not None
        and row.usage_percent == usage.percent
        and row.throttles == 0
        and abs(now - row.updated_at) < NOTE_AGAIN
        and schedule.parking(usage.percent, usage.regain_minutes) is None
    )


def _note_usage(credential: str, usage: Usage, now: datetime) -> None:
    ProviderWindow.objects.bulk_create(
        [ProviderWindow(credential=credential, usage_percent=usage.percent)],
        update_conflicts=True,
        unique_fields=["credential"],
        update_fields=["usage_percent", "throttles", "updated_at"],
    )
    wait = schedule.parking(usage.percent, usage.regain_minutes)
    if wait is not None:
        park(credential, until=now + wait, now=now)


def _counted_until(row: ProviderWindow, now: datetime) -> datetime | None:
    return clock.counted_until(row.parked_until, set_at=row.parked_at, ceiling=clock.LONG_CEILING, now=now)
