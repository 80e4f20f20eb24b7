"""What members of a workspace see besides the posts: forced refreshes, the connection, and the effect of a refresh."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from entitlements.limits import load_ladder, resolve
from foundation.cache import StoreAway, guarded_load
from paris_integration.feeds import reading, routing, situation
from paris_integration.feeds.routing import NoRoute, Route
from paris_integration.feeds.situation import NEVER_FILLED, LoadedSituation, Situation
from paris_integration.quota import allowance, ledger
from paris_integration.quota.ledger import Standing
from paris_integration.types import FeedKey, FeedView, RefreshEffect, RefreshNow, Selection, Warning


def read_feed_as_member(
    key: FeedKey, selection: Selection, *, now: datetime, is_preview: bool = False
) -> FeedView:
    """Like `read_feed`, with the state of forced refreshes and of the connection."""
    view, found = reading.read_in_situation(key, selection, now=now, is_preview=is_preview)
    try:
        return guarded_load(lambda: _with_allowance(view, found), patience_seconds=0)
    except StoreAway:
        return view


def look_at_feed(key: FeedKey, selection: Selection, *, now: datetime) -> FeedView:
    """The feed as the database has it, with everything members may see. Doesn't fetch anything or request a refresh.

    `next_refresh_allowed_at` is when the next forced refresh is allowed. Raises WorkspaceNotFound.
    """
    return view_of(situation.load(key, now), selection)


def view_of(loaded: LoadedSituation, selection: Selection, standing: Standing | None = None) -> FeedView:
    """Like `look_at_feed`, for a loaded situation. Pass `standing` if it has been read already."""
    standing = standing or standing_of(loaded)
    view = reading.look_at(loaded, selection)
    source, row, book = loaded.key.source, loaded.row, standing.book
    state, ladder = loaded.state_at(book.at), loaded.ladder
    refresh_now = _why_closed(loaded) or allowance.refresh_now(
        source,
        state,
        ladder.own,
        book,
        ladder.higher,
        parked_until=standing.parked_until,
        paused_until=standing.paused_until,
    )
    return replace(
        view,
        warnings=view.warnings | situation.warnings_of_connection(loaded.connection, loaded.now),
        next_refresh_allowed_at=refresh_now.allowed_at,
        forced=allowance.allowance_of(source, state, ladder.own, book, ladder.higher),
        last_tried_at=row.attempted_at if row else None,
        refresh_now=refresh_now,
        paused_until=standing.paused_until,
        connection=loaded.connection,
    )


def standing_of(loaded: Situation) -> Standing:
    credential = loaded.route.credential if isinstance(loaded.route, Route) else None
    return ledger.read_standing(loaded.key, credential=credential, now=loaded.now)


def _with_allowance(view: FeedView, found: Situation) -> FeedView:
    """The view with what members may see, by the database's ledger and clock."""
    ladder = load_ladder(found.key.workspace_id)
    book = standing_of(found).book
    state = found.copy.state_at(book.at) if found.copy else NEVER_FILLED
    return replace(
        view,
        warnings=view.warnings | situation.warnings_of_connection(found.connection, found.now),
        forced=allowance.allowance_of(found.key.source, state, ladder.own, book, ladder.higher),
    )


def _why_closed(loaded: LoadedSituation) -> RefreshNow | None:
    """Why plan or connection don't allow a call, and what would allow it. None when a call is allowed."""
    source, route = loaded.key.source, loaded.route
    without = routing.route_for(source, None)
    disconnect_helps = isinstance(without, Route) and routing.is_in_plan(source, without, loaded.limits)
    if not loaded.is_in_plan:
        including = (
            grants.plan_name
            for grants in loaded.ladder.higher
            if routing.is_in_plan(source, route, resolve(grants, loaded.now))
        )
        hint = next(including, None)
        return RefreshNow(RefreshEffect.CLOSED, None, Warning.PLAN_RESTRICTED, hint, disconnect_helps)
    if isinstance(route, NoRoute):
        return RefreshNow(RefreshEffect.CLOSED, None, route.warning, None, disconnect_helps)
    if not route.is_open:
        (refused,) = route.warnings
        return RefreshNow(RefreshEffect.CLOSED, None, refused, None, disconnect_helps)
    return None
