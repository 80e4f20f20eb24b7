"""Rate-limit windows of our credentials. A throttle met by one feed holds back all that share its token."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import F
from django.db.models.functions import Greatest

from paris_integration.models import ProviderWindow
from paris_integration.providers.base import Usage

PARK_WITHOUT_TIME = timedelta(minutes=15)


def parked_until(credential: str, *, now: datetime) -> datetime | None:
    """When this credential may be used again; None when it may be used now."""
    row = ProviderWindow.objects.filter(credential=credential, parked_until__gt=now).first()
    return row.parked_until if row else None


def throttles(credential: str) -> int:
    """Throttles in a row so far, for a back-off that doubles where the provider names no time."""
    return (
        ProviderWindow.objects.filter(credential=credential).values_list("throttles", flat=True).first() or 0
    )


def park(credential: str, *, until: datetime) -> None:
    """No call with this credential before `until`; never shortens a longer wait."""
    row, created = ProviderWindow.objects.get_or_create(
        credential=credential, defaults={"parked_until": until, "throttles": 1}
    )
    if created:
        return
    still = ProviderWindow.objects.filter(pk=row.pk)
    still.filter(parked_until__isnull=True).update(parked_until=until)
    still.update(parked_until=Greatest(F("parked_until"), until), throttles=F("throttles") + 1)


def note_usage(credential: str, usage: Usage, *, now: datetime) -> None:
    """Note a successful call and what its usage headers said; at 100 % the window is as good as closed."""
    row = ProviderWindow.objects.filter(credential=credential)
    row.filter(throttles__gt=0).update(throttles=0)
    if usage == Usage():
        return
    ProviderWindow.objects.update_or_create(credential=credential, defaults={"usage_percent": usage.percent})
    if usage.percent >= 100 or usage.regain_minutes > 0:
        wait = timedelta(minutes=usage.regain_minutes) or PARK_WITHOUT_TIME
        park(credential, until=now + wait)
