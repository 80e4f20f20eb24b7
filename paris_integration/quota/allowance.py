"""Whether a forced refresh is allowed, when the next one is, and which plan would allow it now. Pure.

Windows are calendar days and hours in UTC. A plan with a day cap of 0 includes no forced refreshes: a request is then
an ordinary refresh, allowed once the TTL and the back-off have elapsed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from entitlements.limits import Grants, Limits, resolve
from paris_integration.feeds import schedule
from paris_integration.feeds.routing import is_source_in_plan
from paris_integration.types import Allowance, BlockReason, FeedState, RefreshEffect, RefreshNow, Source

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


class WindowKind(StrEnum):
    DAY = "day"
    HOUR = "hour"

    def start_of(self, moment: datetime) -> datetime:
        hour = moment.replace(minute=0, second=0, microsecond=0)
        return hour if self is WindowKind.HOUR else hour.replace(hour=0)

    @property
    def length(self) -> timedelta:
        return HOUR if self is WindowKind.HOUR else DAY


@dataclass(frozen=True, slots=True)
class Tally:
    """The units of one window: used by forced refreshes, and granted by staff beyond the plan."""

    used: int = 0
    granted: int = 0


@dataclass(frozen=True, slots=True)
class Book:
    """The units of the day and the hour of `at`."""

    at: datetime
    day: Tally = Tally()
    hour: Tally = Tally()

    def seen_at(self, moment: datetime) -> Book:
        """The book at a later moment, if there is no forced refresh until then."""
        same_day = WindowKind.DAY.start_of(moment) == WindowKind.DAY.start_of(self.at)
        same_hour = WindowKind.HOUR.start_of(moment) == WindowKind.HOUR.start_of(self.at)
        return Book(moment, self.day if same_day else Tally(), self.hour if same_hour else Tally())


@dataclass(frozen=True, slots=True)
class Decision:
    """`reason` None: allowed. `costs_unit`: the refresh is a forced one and costs a unit."""

    reason: BlockReason | None
    costs_unit: bool = False


def decide(source: Source, state: FeedState, limits: Limits, book: Book) -> Decision:
    """Check the plan, then the quota, then the TTL. A back-off isn't a reason to refuse."""
    if not is_source_in_plan(source, limits):
        return Decision(BlockReason.PLAN_RESTRICTED)
    if sells_forced(limits, book):
        if (
            _left(_day_cap(limits, book), book.day.used) == 0
            or _left(_hour_cap(limits, book), book.hour.used) == 0
        ):
            return Decision(BlockReason.QUOTA_EXCEEDED)
        return Decision(None, costs_unit=True)
    ttl_ends_at = schedule.ttl_ends_at(state, limits, book.at)
    if ttl_ends_at is not None and ttl_ends_at > book.at:
        return Decision(BlockReason.TTL_NOT_ELAPSED)
    return Decision(None)


def sells_forced(limits: Limits, book: Book) -> bool:
    """Whether a request is a forced refresh: the plan includes them, or staff granted units for today."""
    return limits.force_per_day_max != 0 or book.day.used < book.day.granted


def next_forced_at(
    source: Source, state: FeedState, grants: Grants, book: Book, *, after_backoff: bool = True
) -> datetime | None:
    """The first whole second at which a request is allowed; None if it is allowed now, or never.

    Takes into account overrides that end meanwhile. `after_backoff`: also wait for the provider's back-off and for
    pauses, during which a request is answered without a call.
    """
    for moment in _turning_points(state, grants, book):
        limits = resolve(grants, moment)
        if decide(source, state, limits, book.seen_at(moment)).reason is not None:
            continue
        if after_backoff and state.held_until is not None and state.held_until > moment:
            continue
        return None if moment <= book.at else moment
    return None


def allowance_of(
    source: Source, state: FeedState, grants: Grants, book: Book, higher: Iterable[Grants]
) -> Allowance:
    """The allowance for a source. `higher`: the grants under each higher plan, lowest first."""
    limits = resolve(grants, book.at)
    reason = decide(source, state, limits, book).reason
    restricted = reason is BlockReason.PLAN_RESTRICTED
    sold = sells_forced(limits, book) and not restricted
    return Allowance(
        reason=reason,
        allowed_at=None
        if reason is None or restricted
        else next_forced_at(source, state, grants, book, after_backoff=False),
        remaining_today=_left(_day_cap(limits, book), book.day.used) if sold else 0,
        remaining_this_hour=_left(_hour_cap(limits, book), book.hour.used) if sold else 0,
        upgrade_hint=None if reason is None else upgrade_hint(source, state, book, higher),
    )


def refresh_now(
    source: Source,
    state: FeedState,
    grants: Grants,
    book: Book,
    higher: Iterable[Grants],
    *,
    parked_until: datetime | None,
    paused_until: datetime | None,
) -> RefreshNow:
    """What a refresh requested now would do, if plan and connection allow a call.

    `parked_until`: when the source's credential may be used again. `higher`: as for `allowance_of`.
    """
    holds = (
        (RefreshEffect.PAUSED, paused_until),
        (RefreshEffect.PARKED, parked_until),
        (RefreshEffect.BACKOFF, state.blocked_until),
    )
    # A parked credential is also stored as a back-off. `max` returns the first of equal times, which is the cause.
    held_by, held_until = max(
        ((effect, until) for effect, until in holds if until is not None and until > book.at),
        key=lambda hold: hold[1],
        default=(RefreshEffect.CALL, None),
    )
    held = replace(state, blocked_until=held_until)
    allowed_at = next_forced_at(source, held, grants, book)
    if decide(source, state, resolve(grants, book.at), book).reason is None:
        return RefreshNow(held_by, allowed_at)
    free_at = next_forced_at(source, held, grants, book, after_backoff=False)
    # If the refusal ends before the wait does, the wait is the reason to show.
    if held_until is not None and free_at is not None and free_at <= held_until:
        return RefreshNow(held_by, allowed_at)
    # A higher plan doesn't end a wait.
    hint = upgrade_hint(source, state, book, higher) if held_until is None else None
    return RefreshNow(RefreshEffect.REFUSED, allowed_at, upgrade_hint=hint)


def upgrade_hint(source: Source, state: FeedState, book: Book, higher: Iterable[Grants]) -> str | None:
    """The name of the lowest higher plan under which the same request would be allowed now."""
    for grants in higher:
        if decide(source, state, resolve(grants, book.at), book).reason is None:
            return grants.plan_name
    return None


def _turning_points(state: FeedState, grants: Grants, book: Book) -> list[datetime]:
    """The moments at which the decision may change: now, then whole seconds in order."""
    now = book.at
    ends = {schedule.whole_second(o.ends_at) for o in grants.overrides if o.ends_at and o.ends_at > now}
    points = {kind.start_of(now) + kind.length for kind in WindowKind} | ends
    if state.held_until is not None:
        points.add(schedule.whole_second(state.held_until))
    # When an override ends, the TTL may become longer or shorter.
    for moment in (now, *sorted(ends)):
        ttl_ends_at = schedule.ttl_ends_at(state, resolve(grants, moment), now)
        if ttl_ends_at is not None:
            points.add(max(ttl_ends_at, moment))
    return [now, *sorted(point for point in points if point > now)]


def _day_cap(limits: Limits, book: Book) -> int | None:
    return None if limits.force_per_day_max is None else limits.force_per_day_max + book.day.granted


def _hour_cap(limits: Limits, book: Book) -> int | None:
    """The hour cap, or None for no cap. A plan's 0 means "no separate hour cap"."""
    return limits.force_per_hour_max + book.hour.granted if limits.force_per_hour_max else None


def _left(cap: int | None, used: int) -> int | None:
    return None if cap is None else max(0, cap - used)
