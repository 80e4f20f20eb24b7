"""Simulated days of many feeds, with the service's own schedule and a clock that is set."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.models import Plan, Workspace
from paris_integration import tasks
from paris_integration.errors import ProviderUnavailable, RateLimited
from paris_integration.feeds import schedule
from paris_integration.models import Feed, ProviderWindow
from paris_integration.types import FeedState
from tests.fakes import FakeProvider
from tests.figures import figure, many
from tests.paris_integration.feeds.test_schedule import HOURLY

START = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TTL_MINUTES = (15, 60, 360, 1440)


def test_no_call_is_made_before_the_ttl_in_simulated_feed_days() -> None:
    """Feeds are looked at every few minutes, as beat and readers do; some calls fail, some are throttled."""
    chance = random.Random(5)  # noqa: S311 - the same days in every run
    feed_days = many(200, 10_000)
    calls = early = 0
    for number in range(feed_days):
        ttl = timedelta(minutes=TTL_MINUTES[number % 4])
        limits = replace(HOURLY, refresh_ttl_minutes_min=TTL_MINUTES[number % 4])
        now, ends_at = START, START + DAY
        state = FeedState(fetched_at=None, blocked_until=None, jitter=0.0)
        succeeded_at: datetime | None = None
        failures = 0
        while now < ends_at:
            if schedule.classify(state, limits, now).is_due:
                calls += 1
                early += succeeded_at is not None and now - succeeded_at < ttl
                outcome = chance.random()
                if outcome < 0.1:
                    failures += 1
                    fault = ProviderUnavailable(status=503) if outcome < 0.07 else RateLimited(code=4)
                    wait = schedule.backoff_seconds(fault, failures, chance.random())
                    state = replace(state, blocked_until=now + timedelta(seconds=wait))
                else:
                    failures, succeeded_at = 0, now
                    state = FeedState(fetched_at=now, blocked_until=None, jitter=chance.random())
            now += timedelta(seconds=chance.choice((1, 60, 300, 1_200, 3_600)))
    figure(
        "C5",
        "no call before the TTL",
        is_met=early == 0,
        feed_days=feed_days,
        automatic_calls=calls,
        early_calls=early,
    )
    assert calls > feed_days
    assert early == 0


@pytest.mark.django_db
def test_feeds_that_were_filled_in_one_moment_are_spread(time_machine: Any, provider: FakeProvider) -> None:
    """The service with its tables, and beat's work every 15 seconds."""
    feeds = many(100, 500)
    provider.accounts |= {f"spread.{number}": [] for number in range(feeds)}
    workspace = Workspace.objects.create(name="Spread", plan=Plan.objects.get(key="pro"))
    time_machine.move_to(START, tick=False)
    Feed.objects.bulk_create(
        Feed(
            workspace=workspace, instance_id=f"wgt_{number}", source_type="profile", source_value=f"spread.{number}",
            mode="public", last_read_at=START, next_refresh_at=START,
        )
        for number in range(feeds)
    )  # fmt: skip
    tasks.refresh_due_now(now=START)
    assert len(provider.calls) == feeds
    due = Counter(
        int((at - START).total_seconds())
        for at in Feed.objects.values_list("next_refresh_at", flat=True)
        if at
    )
    early, per_tick = 0, Counter[int]()
    seconds = 3_600 - 60
    while sum(per_tick.values()) < feeds and seconds < 3 * 3_600:
        now = START + timedelta(seconds=seconds)
        time_machine.move_to(now, tick=False)
        before = len(provider.calls)
        tasks.refresh_due_now(now=now)
        per_tick[seconds] = len(provider.calls) - before
        early += per_tick[seconds] if seconds < 3_600 else 0
        seconds += 15
    spread_over = max(due) - min(due) + 1
    mean = feeds / spread_over
    busiest, busiest_tick = max(due.values()), max(per_tick.values())
    ticks = sum(1 for count in per_tick.values() if count)
    figure(
        "C5", "feeds filled in one second, their due times", is_met=busiest <= 5 * mean and early == 0, feeds=feeds,
        spread_over_seconds=spread_over, busiest_second=busiest, mean=mean, early_calls=early,
    )  # fmt: skip
    figure(
        "C5", "the same, when beat looks every 15 s", is_met=busiest_tick <= 5 * mean, ticks_with_calls=ticks,
        busiest_tick=busiest_tick, mean_per_tick=feeds / ticks, mean_per_second=mean,
    )  # fmt: skip
    assert early == 0
    assert not ProviderWindow.objects.exclude(parked_until=None).exists()
    assert busiest_tick <= 5 * feeds / ticks
