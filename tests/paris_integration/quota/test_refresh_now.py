"""The effect of a refresh now: every cause, which cause ends last, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.limits import Grants
from paris_integration.quota.allowance import Book, Tally, refresh_now
from paris_integration.types import FeedState, RefreshEffect, RefreshNow, Source, SourceType

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
PROFILE = Source(SourceType.PROFILE, "acme.bakery")
HOUR_TURNS = NOW.replace(hour=13, minute=0)
USED_UP = Book(NOW, Tally(1), Tally(1))
CALL, REFUSED = RefreshEffect.CALL, RefreshEffect.REFUSED
PAUSED, PARKED, BACKOFF = RefreshEffect.PAUSED, RefreshEffect.PARKED, RefreshEffect.BACKOFF


def grants(name: str, per_day: int, per_hour: int) -> Grants:
    values = {
        "instagram.profile.enabled": True,
        "instagram.refresh.ttlMinutes.min": 60,
        "instagram.refresh.forcePerDay.max": per_day,
        "instagram.refresh.forcePerHour.max": per_hour,
    }
    return Grants(name.lower(), name, 1, values, ())


def minutes(count: float) -> datetime:
    return NOW + timedelta(minutes=count)


@pytest.mark.parametrize(
    ("blocked", "parked", "paused", "book", "expected"),
    [
        (None, None, None, Book(NOW), RefreshNow(CALL)),
        (minutes(-1), minutes(-1), minutes(-1), Book(NOW), RefreshNow(CALL)),
        (minutes(5), None, None, Book(NOW), RefreshNow(BACKOFF, minutes(5))),
        (minutes(5.001), None, None, Book(NOW), RefreshNow(BACKOFF, minutes(5) + timedelta(seconds=1))),
        (None, minutes(5), None, Book(NOW), RefreshNow(PARKED, minutes(5))),
        (minutes(5), minutes(5), None, Book(NOW), RefreshNow(PARKED, minutes(5))),
        (minutes(5), None, minutes(5), Book(NOW), RefreshNow(PAUSED, minutes(5))),
        (minutes(9), minutes(5), minutes(7), Book(NOW), RefreshNow(BACKOFF, minutes(9))),
        (minutes(5), minutes(9), minutes(7), Book(NOW), RefreshNow(PARKED, minutes(9))),
        (None, None, None, USED_UP, RefreshNow(REFUSED, HOUR_TURNS, upgrade_hint="Pro")),
        # Another plan would not help before the back-off is over.
        (minutes(5), None, None, USED_UP, RefreshNow(REFUSED, HOUR_TURNS)),
        (minutes(50), None, None, USED_UP, RefreshNow(BACKOFF, minutes(50))),
        (None, None, minutes(50), USED_UP, RefreshNow(PAUSED, minutes(50))),
    ],
)
def test_every_cause_has_its_effect_on_a_refresh(
    blocked: Any, parked: Any, paused: Any, book: Book, expected: RefreshNow
) -> None:
    found = refresh_now(
        PROFILE,
        FeedState(minutes(-90), blocked, jitter=0.0),
        grants("Starter", 6, 1),
        book,
        [grants("Pro", 24, 4)],
        parked_until=parked,
        paused_until=paused,
    )
    assert found == expected


def test_a_plan_without_forced_refreshes_waits_for_the_ttl() -> None:
    found = refresh_now(
        PROFILE,
        FeedState(minutes(-50), None, jitter=0.0),
        grants("None", 0, 0),
        Book(NOW),
        [],
        parked_until=None,
        paused_until=None,
    )
    assert found == RefreshNow(REFUSED, minutes(10))
