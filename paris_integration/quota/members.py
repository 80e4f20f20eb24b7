"""What members of a workspace see beside the posts: forced refreshes, the connection, and what a refresh would do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from entitlements.limits import Grants, Limits, fresh_grants_for, fresh_limits_for, higher_grants_for, resolve
from foundation.cache import StoreAway, guarded_load
from paris_integration import clock
from paris_integration.connections import links
from paris_integration.feeds import fast_copy, pauses, rate_limits, reading, routing, schedule
from paris_integration.models import Feed
from paris_integration.quota import allowance, ledger
from paris_integration.types import (
    FeedKey,
    FeedState,
    FeedView,
    RefreshEffect,
    RefreshNow,
    Selection,
    Warning,
)


def read_feed_as_member(
    key: FeedKey, selection: Selection, *, now: datetime, is_preview: bool = False
) -> FeedView:
    """As `read_feed`, with the state of forced refreshes and of the connection."""
    view = reading.read_feed(key, selection, now=now, is_preview=is_preview)
    try:
        return guarded_load(lambda: _for_member(view, key, now))
    except StoreAway:
        return view


def _for_member(view: FeedView, key: FeedKey, now: datetime) -> FeedView:
    warnings = view.warnings | reading.warnings_of_connection(links.find_connection(key), now)
    return with_allowance(replace(view, warnings=warnings), key)


def with_allowance(view: FeedView, key: FeedKey) -> FeedView:
    """The view with what a member may know about forced refreshes, by the database's books and clock."""
    grants, book = _books(key)
    state, higher = state_of(reading.find_row(key), book.at), higher_grants_for(grants)
    return replace(view, forced=allowance.allowance_of(key.source, state, grants, book, higher))


def look_at_feed(key: FeedKey, selection: Selection, *, now: datetime) -> FeedView:
    """The feed as the database has it, in the answer to a forced refresh: with the time of the next forced one.

    Nothing is fetched or asked for.
    """
    limits = fresh_limits_for(key.workspace_id, now=now)
    route = routing.load(key)
    row = reading.row_of(key, route)
    if row is None:
        view = reading.nothing(())
    else:
        copy = fast_copy.copy_of(row)
        verdict = schedule.classify(copy.state_at(now), limits, now)
        if copy.fetched_at is None and not copy.fault and verdict.is_due:
            view = reading.nothing({Warning.FEED_WARMING}, is_warming=True)
        else:
            view = reading.view_of(copy, verdict, selection, now)
    grants, book = _books(key)
    state, higher = state_of(row, book.at), higher_grants_for(grants)
    paused_until = pauses.ends_at(key.instance_id, now=now)
    refresh_now = _closed(key, route, limits, higher, now) or allowance.refresh_now(
        key.source,
        state,
        grants,
        book,
        higher,
        parked_until=_parked_until(route, now),
        paused_until=paused_until,
    )
    return replace(
        view,
        warnings=view.warnings
        | reading.warnings_beside(key, route, limits)
        | reading.warnings_of_connection(links.find_connection(key), now),
        next_refresh_allowed_at=refresh_now.allowed_at,
        forced=allowance.allowance_of(key.source, state, grants, book, higher),
        last_tried_at=row.attempted_at if row else None,
        refresh_now=refresh_now,
        paused_until=paused_until,
    )


def _closed(
    key: FeedKey,
    route: routing.Route | routing.NoRoute,
    limits: Limits,
    higher: Iterable[Grants],
    now: datetime,
) -> RefreshNow | None:
    """Why plan or connection allow no call, and what would open the source; None where they allow one."""
    without = routing.by_connection(key, None)
    disconnect_helps = isinstance(without, routing.Route) and routing.is_in_plan(key, without, limits)
    if not routing.is_in_plan(key, route, limits):
        including = (grants for grants in higher if routing.is_in_plan(key, route, resolve(grants, now)))
        plan = next((grants.plan_name for grants in including), None)
        return RefreshNow(RefreshEffect.CLOSED, None, Warning.PLAN_RESTRICTED, plan, disconnect_helps)
    if isinstance(route, routing.NoRoute):
        return RefreshNow(RefreshEffect.CLOSED, None, route.warning, None, disconnect_helps)
    if not route.is_open:
        (dead,) = route.warnings
        return RefreshNow(RefreshEffect.CLOSED, None, dead, None, disconnect_helps)
    return None


def _parked_until(route: routing.Route | routing.NoRoute, now: datetime) -> datetime | None:
    if isinstance(route, routing.NoRoute):
        return None
    return rate_limits.parked_until(route.credential, now=now)


def _books(key: FeedKey) -> tuple[Grants, allowance.Book]:
    return fresh_grants_for(key.workspace_id), ledger.read_book(key, now=clock.database_now())


def state_of(row: Feed | None, now: datetime) -> FeedState:
    return row.state_at(now) if row else FeedState(None, None, 0.0)
