"""When a feed is stale, and when it may be refreshed. Pure functions of state, limits and `now`.

The age counts from the last successful refresh. Jitter adds up to a tenth of the TTL and never shortens it. All times
are rounded up to whole seconds, because the announced time is also the enforced one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from entitlements.limits import Limits
from paris_integration import clock
from paris_integration.errors import (
    HashtagQuotaExhausted,
    ProviderError,
    RateLimited,
    SourceNotFound,
    is_refusal,
)
from paris_integration.types import FeedState

JITTER_SHARE = 0.1
TRANSIENT_FIRST_SECONDS = 30.0
NOT_FOUND_FIRST_SECONDS = 300.0
LONGEST_SECONDS = clock.LONG_CEILING.total_seconds()
THROTTLE_DEFAULT_SECONDS = 3_600.0
FLOOR_SECONDS = (
    10.0  # requests that waited for the failed one retry at once, and must find the back-off in place
)
PARK_WITHOUT_TIME = timedelta(minutes=15)
SLOW_FROM_PERCENT = 85.0
# Beat checks an active feed at least this often: a little after the longest usual wait (a day plus 10 %).
LOOK_AT_LEAST_EVERY = timedelta(hours=27)


class Age(StrEnum):
    FRESH = "fresh"
    STALE = "stale"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`refresh_allowed_at`: when the next automatic refresh is allowed; None if it is allowed now."""

    age: Age
    refresh_allowed_at: datetime | None

    @property
    def is_due(self) -> bool:
        return self.refresh_allowed_at is None and self.age is not Age.FRESH


def classify(state: FeedState, limits: Limits, now: datetime) -> Verdict:
    """The feed's age under these limits, and when it may be refreshed automatically."""
    allowed_at = next_refresh_at(state, limits, now)
    open_now = allowed_at is None or allowed_at <= now
    return Verdict(age=_age(state, limits, now), refresh_allowed_at=None if open_now else allowed_at)


def next_refresh_at(state: FeedState, limits: Limits, now: datetime) -> datetime | None:
    """When the next automatic refresh is allowed; None if there is nothing to wait for."""
    wait = _latest(ttl_ends_at(state, limits, now), state.held_until, state.slowed_until)
    return None if wait is None else whole_second(wait)


def changes_at(
    stored: Iterable[datetime | None], state: FeedState, limits: Limits, now: datetime
) -> datetime | None:
    """The earliest moment after `now` at which `classify` may answer differently though nothing is written.

    `stored`: the times from which `state` was made. None: never.
    """
    moments = [next_refresh_at(state, limits, now), limits.change_at]
    if state.fetched_at is not None:
        moments.append(state.fetched_at + stale_after(limits))
    moments += [moment for at in stored if at is not None for moment in _turning_points(at)]
    return min((moment for moment in moments if moment is not None and moment > now), default=None)


def _turning_points(at: datetime) -> Iterator[datetime]:
    """When a stored time begins or ceases to count: when it passes, and at the limits of `clock.counted_until`."""
    for ceiling in (timedelta(), clock.TRANSIENT_CEILING, clock.LONG_CEILING, clock.PAUSE_CEILING):
        with suppress(OverflowError):
            yield at + ceiling
        with suppress(OverflowError):
            yield at - ceiling
    with suppress(OverflowError):
        yield at - clock.CLOCK_TOLERANCE


def next_look_at(wanted_at: datetime | None, now: datetime) -> datetime | None:
    """When beat checks the feed again: at `wanted_at`, but at least every LOOK_AT_LEAST_EVERY."""
    return None if wanted_at is None else min(wanted_at, now + LOOK_AT_LEAST_EVERY)


def ttl_ends_at(state: FeedState, limits: Limits, now: datetime) -> datetime | None:
    """When the TTL including jitter elapses; None for a feed without usable posts."""
    if state.fetched_at is None or _is_from_a_wrong_clock(state.fetched_at, now):
        return None
    ttl = refresh_ttl(limits)
    return whole_second(state.fetched_at + ttl + ttl * JITTER_SHARE * state.jitter)


def refresh_ttl(limits: Limits) -> timedelta:
    minutes = max(limits.refresh_ttl_minutes_min, limits.cache_ttl_minutes_default or 0)
    return timedelta(minutes=minutes)


def stale_after(limits: Limits) -> timedelta:
    return timedelta(minutes=limits.cache_ttl_minutes_default or limits.refresh_ttl_minutes_min)


def backoff_seconds(fault: ProviderError, failures: int, random_share: float) -> float:
    """How long to wait after the `failures`-th failure in a row, counted from 1.

    Rate limits: the provider's time, else an hour, doubling. Unknown sources and refusals: five minutes, doubling up to
    a day. Everything else: full jitter under a cap that doubles from 30 seconds to an hour.
    """
    doublings = min(max(failures, 1) - 1, 30)
    if isinstance(fault, RateLimited):
        if fault.retry_after_seconds is not None:
            # Up to 10 % later than the provider asks, so that all waiting feeds don't return in the same second.
            return min(
                max(fault.retry_after_seconds, FLOOR_SECONDS) * (1 + 0.1 * random_share),
                LONGEST_SECONDS,
            )
        return min(
            THROTTLE_DEFAULT_SECONDS * 2.0**doublings * (1 + 0.1 * random_share),
            LONGEST_SECONDS,
        )
    if isinstance(fault, HashtagQuotaExhausted):
        return min(
            max(fault.retry_after_seconds or THROTTLE_DEFAULT_SECONDS, FLOOR_SECONDS),
            LONGEST_SECONDS,
        )
    if isinstance(fault, SourceNotFound) or is_refusal(fault):
        return float(min(NOT_FOUND_FIRST_SECONDS * 2.0**doublings, LONGEST_SECONDS))
    cap = min(TRANSIENT_FIRST_SECONDS * 2.0**doublings, clock.TRANSIENT_CEILING.total_seconds())
    return max(FLOOR_SECONDS, cap * random_share)


def parking(usage_percent: float, regain_minutes: float) -> timedelta | None:
    """How long to make no call with a credential after a success with these usage headers; None: don't wait."""
    if regain_minutes > 0:
        return min(timedelta(minutes=regain_minutes), clock.LONG_CEILING)
    # At 100 % the next call would be throttled.
    return PARK_WITHOUT_TIME if usage_percent >= 100 else None


def slowed_until(
    usage_percent: float, regain_minutes: float, limits: Limits, now: datetime
) -> datetime | None:
    """Near a rate limit, the next automatic refresh waits for two TTLs, at most a day; None: the usual TTL applies."""
    # If the headers name a time, `parking` already waits for it.
    if usage_percent < SLOW_FROM_PERCENT or regain_minutes > 0:
        return None
    return now + min(2 * refresh_ttl(limits), clock.LONG_CEILING)


def whole_second(moment: datetime) -> datetime:
    """The first whole second not before `moment`."""
    if moment.microsecond == 0:
        return moment
    return moment.replace(microsecond=0) + timedelta(seconds=1)


def _age(state: FeedState, limits: Limits, now: datetime) -> Age:
    if state.fetched_at is None:
        return Age.MISSING
    if _is_from_a_wrong_clock(state.fetched_at, now) or now - state.fetched_at >= stale_after(limits):
        return Age.STALE
    return Age.FRESH


def _is_from_a_wrong_clock(fetched_at: datetime, now: datetime) -> bool:
    """Whether the time is in the future. Such a feed must not stay fresh until then."""
    return fetched_at - now > clock.CLOCK_TOLERANCE


def _latest(*moments: datetime | None) -> datetime | None:
    return max((moment for moment in moments if moment is not None), default=None)
