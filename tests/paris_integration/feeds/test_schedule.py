"""TTL and back-off, as tables of state, limits and time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entitlements.limits import Limits
from paris_integration.clock import (
    CLOCK_TOLERANCE,
    LONG_CEILING,
    PAUSE_CEILING,
    backoff_ceiling,
    counted_until,
)
from paris_integration.errors import ProviderError, ProviderUnavailable, RateLimited, SourceNotFound
from paris_integration.feeds.fast_copy import FeedCopy
from paris_integration.feeds.schedule import (
    Age,
    Verdict,
    backoff_seconds,
    classify,
    next_refresh_at,
    parking,
    slowed_until,
    whole_second,
)
from paris_integration.types import FeedState

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOURLY = Limits(
    plan_key="pro",
    plan_name="Pro",
    plan_rank=2,
    profile_enabled=True,
    hashtag_enabled=True,
    oauth_enabled=True,
    refresh_ttl_minutes_min=60,
    force_per_day_max=24,
    force_per_hour_max=4,
    cache_ttl_minutes_default=None,
)


def state(
    age_seconds: float | None, *, blocked_seconds: float | None = None, jitter: float = 0.0
) -> FeedState:
    return FeedState(
        fetched_at=None if age_seconds is None else NOW - timedelta(seconds=age_seconds),
        blocked_until=None if blocked_seconds is None else NOW + timedelta(seconds=blocked_seconds),
        jitter=jitter,
    )


def in_seconds(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("feed", "age", "allowed_at"),
    [
        pytest.param(state(None), Age.MISSING, None, id="never filled: at once"),
        pytest.param(
            state(None, blocked_seconds=30), Age.MISSING, in_seconds(30), id="never filled, backing off"
        ),
        pytest.param(state(0), Age.FRESH, in_seconds(3_600), id="just filled"),
        pytest.param(state(3_599), Age.FRESH, in_seconds(1), id="a second before the TTL"),
        pytest.param(state(3_600), Age.STALE, None, id="at the TTL"),
        pytest.param(state(3_600, jitter=1.0), Age.STALE, in_seconds(360), id="stale, jitter still to wait"),
        pytest.param(state(3_960, jitter=1.0), Age.STALE, None, id="stale, jitter over"),
        pytest.param(state(86_400, blocked_seconds=600), Age.STALE, in_seconds(600), id="stale, backing off"),
        pytest.param(state(86_400, blocked_seconds=-1), Age.STALE, None, id="stale, back-off over"),
        pytest.param(
            state(60, blocked_seconds=30), Age.FRESH, in_seconds(3_540), id="TTL outlasts the back-off"
        ),
        pytest.param(state(-60), Age.FRESH, in_seconds(3_660), id="stamped a minute ahead by another clock"),
        pytest.param(state(-86_400), Age.STALE, None, id="stamped a day ahead: the feed does not freeze"),
    ],
)
def test_age_and_back_off_decide_when_a_refresh_is_due(
    feed: FeedState, age: Age, allowed_at: datetime | None
) -> None:
    verdict = classify(feed, HOURLY, NOW)

    assert (verdict.age, verdict.refresh_allowed_at) == (age, allowed_at)


@pytest.mark.parametrize(
    ("default_minutes", "age_seconds", "age", "allowed"),
    [
        pytest.param(30, 1_800, Age.STALE, False, id="stale by the cache TTL, not yet allowed by the plan"),
        pytest.param(30, 3_600, Age.STALE, True, id="the plan's floor is over"),
        pytest.param(120, 3_600, Age.FRESH, False, id="a longer cache TTL keeps the feed fresh"),
        pytest.param(120, 7_200, Age.STALE, True, id="and is the later of the two"),
    ],
)
def test_cache_ttl_and_refresh_ttl(default_minutes: int, age_seconds: int, age: Age, allowed: bool) -> None:
    limits = replace(HOURLY, cache_ttl_minutes_default=default_minutes)

    verdict = classify(state(age_seconds), limits, NOW)

    assert (verdict.age, verdict.refresh_allowed_at is None) == (age, allowed)


@given(
    age=st.floats(0, 200_000),
    jitter=st.floats(0, 1),
    ttl=st.integers(1, 1_440),
)
def test_jitter_only_adds_time_and_is_enforced_as_announced(age: float, jitter: float, ttl: int) -> None:
    limits = replace(HOURLY, refresh_ttl_minutes_min=ttl)
    feed = state(age, jitter=jitter)
    announced = next_refresh_at(feed, limits, NOW)

    assert announced is not None
    assert feed.fetched_at is not None
    floor = feed.fetched_at + timedelta(minutes=ttl)
    assert floor <= announced <= floor + timedelta(minutes=ttl) * 0.1 + timedelta(seconds=1)
    assert classify(feed, limits, announced - timedelta(seconds=1)).refresh_allowed_at == announced
    assert classify(feed, limits, announced).refresh_allowed_at is None


@pytest.mark.parametrize(
    ("until", "set_at", "counted"),
    [
        pytest.param(None, NOW, None, id="no wait"),
        pytest.param(in_seconds(60), NOW, in_seconds(60), id="within its ceiling: unchanged"),
        pytest.param(in_seconds(3_601), NOW, in_seconds(3_600), id="beyond it: up to the ceiling"),
        pytest.param(in_seconds(60), in_seconds(-3_600), in_seconds(0), id="set so long ago that it is over"),
        pytest.param(in_seconds(600), in_seconds(300), in_seconds(600), id="set by a clock 5 minutes ahead"),
        pytest.param(in_seconds(600), in_seconds(301), None, id="set in the future: ignored"),
        pytest.param(in_seconds(3_600), None, in_seconds(3_600), id="unknown when, ends within the ceiling"),
        pytest.param(in_seconds(3_601), None, None, id="unknown when, ends later: ignored"),
    ],
)
def test_a_stored_wait_counts_up_to_its_ceiling(
    until: datetime | None, set_at: datetime | None, counted: datetime | None
) -> None:
    assert counted_until(until, set_at=set_at, ceiling=timedelta(hours=1), now=NOW) == counted


YEAR = 365 * 86_400
any_moment = st.none() | st.integers(-YEAR, YEAR).map(in_seconds)
right_moment = st.integers(-YEAR, 300).map(in_seconds)
stored = {
    "blocked_until": any_moment,
    "paused_until": any_moment,
    "slowed_until": any_moment,
    "fault": st.sampled_from(["", "PROVIDER_UNAVAILABLE", "PROVIDER_ERROR", "SOURCE_NOT_FOUND"]),
    "jitter": st.floats(0, 1),
}


def copy(**times: Any) -> FeedCopy:
    """A feed as it is stored."""
    return FeedCopy(
        feed_id=UUID(int=0), data_warnings=(), last_read_at=None, profile=None, posts_encoded="[]", **times
    )


@settings(max_examples=200)
@given(
    times=st.fixed_dictionaries(
        stored | {"fetched_at": any_moment, "backoff_set_at": any_moment, "paused_at": any_moment}
    ),
    ttl=st.integers(1, 1_440),
)
def test_no_stored_time_delays_a_feed_beyond_the_ceilings(times: dict[str, Any], ttl: int) -> None:
    limits = replace(HOURLY, refresh_ttl_minutes_min=ttl)
    feed = copy(**times).state_at(NOW)
    latest = NOW + CLOCK_TOLERANCE + timedelta(seconds=1)

    automatic, by_force = next_refresh_at(feed, limits, NOW), feed.held_until
    unpaused = next_refresh_at(replace(feed, paused_until=None), limits, NOW)
    assert automatic is None or automatic <= latest + PAUSE_CEILING
    assert by_force is None or by_force <= latest + PAUSE_CEILING
    assert unpaused is None or unpaused <= latest + max(timedelta(minutes=ttl) * 1.1, LONG_CEILING)
    assert feed.blocked_until is None or feed.blocked_until <= latest + backoff_ceiling(times["fault"])


@settings(max_examples=200)
@given(
    times=st.fixed_dictionaries(
        stored | {"fetched_at": right_moment, "backoff_set_at": right_moment, "paused_at": right_moment}
    )
)
def test_limited_waits_are_enforced_as_announced(times: dict[str, Any]) -> None:
    def verdict(moment: datetime) -> Verdict:
        return classify(copy(**times).state_at(moment), HOURLY, moment)

    announced = verdict(NOW).refresh_allowed_at

    if announced is not None:
        assert verdict(max(NOW, announced - timedelta(seconds=1))).refresh_allowed_at == announced
        assert verdict(announced).refresh_allowed_at is None


def limited(seconds: float | None) -> RateLimited:
    fault = RateLimited(code=4)
    fault.retry_after_seconds = seconds
    return fault


@pytest.mark.parametrize(
    ("fault", "failures", "share", "seconds"),
    [
        pytest.param(ProviderUnavailable(), 1, 1.0, 30, id="first failure, full share"),
        pytest.param(
            ProviderUnavailable(), 1, 0.0, 10, id="never zero, so that waiting requests don't retry at once"
        ),
        pytest.param(ProviderUnavailable(), 4, 1.0, 240, id="doubling"),
        pytest.param(ProviderUnavailable(), 50, 1.0, 3_600, id="capped at an hour"),
        pytest.param(ProviderError(code=999), 2, 1.0, 60, id="an unlisted fault backs off like an outage"),
        pytest.param(limited(120), 1, 0.0, 120, id="a throttle: the provider's own time"),
        pytest.param(limited(120), 1, 1.0, 132, id="and a little later"),
        pytest.param(limited(10**9), 1, 0.0, 86_400, id="capped at a day"),
        pytest.param(limited(0), 1, 0.0, 10, id="zero is not at once"),
        pytest.param(limited(None), 1, 0.0, 3_600, id="a throttle without a time: an hour"),
        pytest.param(limited(None), 3, 0.0, 14_400, id="then longer"),
        pytest.param(SourceNotFound(), 1, 0.5, 300, id="an unknown account: five minutes"),
        pytest.param(SourceNotFound(), 20, 0.5, 86_400, id="and up to a day"),
    ],
)
def test_back_off(fault: ProviderError, failures: int, share: float, seconds: float) -> None:
    assert backoff_seconds(fault, failures, share) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("percent", "regain_minutes", "parked"),
    [
        pytest.param(0, 0, None, id="nothing said"),
        pytest.param(99.9, 0, None, id="below the limit"),
        pytest.param(100, 0, timedelta(minutes=15), id="at the limit, without a time"),
        pytest.param(100, 20, timedelta(minutes=20), id="at the limit, with one"),
        pytest.param(3, 0.5, timedelta(seconds=30), id="the given time counts"),
        pytest.param(100, 1_000_000, timedelta(days=1), id="but for a day at most"),
    ],
)
def test_usage_decides_how_long_a_success_stops_further_calls(
    percent: float, regain_minutes: float, parked: timedelta | None
) -> None:
    assert parking(percent, regain_minutes) == parked


@pytest.mark.parametrize(
    ("percent", "regain_minutes", "ttl_minutes", "seconds"),
    [
        pytest.param(84.9, 0, 60, None, id="the usual pace"),
        pytest.param(85, 0, 60, 7_200, id="two TTLs"),
        pytest.param(250, 0, 15, 1_800, id="beyond any percentage"),
        pytest.param(85, 0, 1_440, 86_400, id="a day at most"),
        pytest.param(100, 5, 60, None, id="with a time: the window is closed until then"),
    ],
)
def test_refreshes_slow_down_near_a_rate_limit(
    percent: float, regain_minutes: float, ttl_minutes: int, seconds: float | None
) -> None:
    limits = replace(HOURLY, refresh_ttl_minutes_min=ttl_minutes)

    assert slowed_until(percent, regain_minutes, limits, NOW) == (
        None if seconds is None else in_seconds(seconds)
    )


def test_whole_second_rounds_up() -> None:
    assert whole_second(NOW) == NOW
    assert whole_second(NOW + timedelta(microseconds=1)) == NOW + timedelta(seconds=1)
