"""The sums over all workspaces for the desk's first page: days that are over are added up once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.cache import cache

from paris_integration.models import DailyUsage
from paris_integration.support.attention import DayOfUsage, usage_of_all, usage_of_days
from tests.conftest import Cast

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TODAY = NOW.date()

pytestmark = pytest.mark.django_db


def reads(days: tuple[DayOfUsage, ...]) -> list[int]:
    return [day.reads for day in days]


def note(people: Cast, ago: int, number: int) -> None:
    day = TODAY - timedelta(days=ago)
    DailyUsage.objects.create(workspace=people.workspace, day=day, feed_requests=number)


def test_sums_of_written_days_are_kept_and_the_others_counted(people: Cast) -> None:
    for ago, number in ((0, 1), (1, 2), (2, 4), (3, 8), (9, 16)):
        note(people, ago, number)
    assert reads(usage_of_all(4, now=NOW)) == [8, 4, 2, 1]

    DailyUsage.objects.update(feed_requests=100)

    assert reads(usage_of_all(4, now=NOW)) == [8, 4, 100, 100]
    assert reads(usage_of_days(4, now=NOW, workspace_id=people.workspace.pk)) == [100] * 4
    assert reads(usage_of_all(10, now=NOW))[:1] == [100]


def test_without_the_cache_all_days_are_counted(people: Cast) -> None:
    note(people, 3, 8)
    for _ in range(2):
        assert reads(usage_of_all(4, now=NOW)) == [8, 0, 0, 0]
        cache.clear()


@pytest.mark.parametrize("kept", ["x", [1, 2, 3], [1, 2, 3, "4"], {}, 0])
def test_an_unreadable_sum_is_counted_again(people: Cast, kept: object) -> None:
    note(people, 3, 8)
    cache.set(f"paris:usage:v1:{TODAY - timedelta(days=3)}", kept)
    assert reads(usage_of_all(4, now=NOW)) == [8, 0, 0, 0]
