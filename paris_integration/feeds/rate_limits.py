"""Rate limits per credential. When Meta throttles a token, all feeds that use it wait."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from paris_integration import clock
from paris_integration.feeds import schedule
from paris_integration.models import ProviderWindow
from paris_integration.providers.base import Usage


def parked_until(credential: str, *, now: datetime) -> datetime | None:
    """When this credential may be used again; None if it may be used now."""
    row = ProviderWindow.objects.filter(credential=credential, parked_until__gt=now).first()
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


def note_usage(credential: str, usage: Usage, *, now: datetime) -> None:
    """Record a successful call and its usage headers. Parks the credential if they say that its limit is used up."""
    row = ProviderWindow.objects.filter(credential=credential)
    row.filter(throttles__gt=0).update(throttles=0)
    if usage == Usage():
        return  # no headers
    ProviderWindow.objects.update_or_create(credential=credential, defaults={"usage_percent": usage.percent})
    wait = schedule.parking(usage.percent, usage.regain_minutes)
    if wait is not None:
        park(credential, until=now + wait, now=now)


def _counted_until(row: ProviderWindow, now: datetime) -> datetime | None:
    return clock.counted_until(row.parked_until, set_at=row.parked_at, ceiling=clock.LONG_CEILING, now=now)
