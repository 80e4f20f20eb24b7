"""Everything a decision about a source needs, loaded once per request.

Reads, refreshes, refusals and the members' view are functions of a `Situation`. Reads use `recall`, which prefers the
cache. Code that writes or calls the provider uses `load`, which queries the database.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import IntegrityError
from msgspec import to_builtins

from entitlements.limits import Ladder, Limits, keep, limits_for, load_ladder, resolve
from foundation.cache import guarded_load
from paris_integration.connections import links
from paris_integration.connections.lifecycle import EXPIRING_WITHIN
from paris_integration.feeds import fast_copy, routing
from paris_integration.feeds.fast_copy import FeedCopy
from paris_integration.feeds.pictures import Reach
from paris_integration.feeds.routing import NoRoute, Route
from paris_integration.models import Feed
from paris_integration.types import ConnectionFacts, ConnectionState, FeedKey, FeedState, Mode, Warning

NEVER_FILLED = FeedState(None, None, 0.0)
_LIVING = (ConnectionState.ACTIVE, ConnectionState.EXPIRING)


@dataclass(frozen=True, slots=True)
class Situation:
    """The limits, connection, route and feed of a source. `copy` is None while the feed doesn't exist."""

    key: FeedKey
    now: datetime
    limits: Limits
    connection: ConnectionFacts | None
    route: Route | NoRoute
    copy: FeedCopy | None

    @property
    def is_in_plan(self) -> bool:
        return routing.is_in_plan(self.key.source, self.route, self.limits)

    @property
    def open_route(self) -> Route | None:
        """The route for calls to the provider. None when the plan, connection or credentials don't allow a call."""
        is_open = isinstance(self.route, Route) and self.route.is_open and self.is_in_plan
        return self.route if is_open and isinstance(self.route, Route) else None

    @property
    def warnings(self) -> frozenset[Warning]:
        """The warnings of plan and route, in addition to the feed's."""
        return warnings_of_route(self.key, self.route, self.limits)


@dataclass(frozen=True, slots=True)
class LoadedSituation(Situation):
    """A situation loaded from the database. `row` is the feed, read by `FeedQuerySet.with_orders`."""

    row: Feed | None
    ladder: Ladder

    def state_at(self, now: datetime) -> FeedState:
        return self.row.state_at(now) if self.row else NEVER_FILLED


def recall(key: FeedKey, now: datetime) -> Situation:
    """The situation from the cache, at most 30 seconds old. From the database if the feed was never filled.

    Raises WorkspaceNotFound, StoreAway.
    """
    connection = links.recall(key)
    route = routing.route_for(key.source, connection)
    copy = fast_copy.find(key, route.mode) if isinstance(route, Route) else None
    if isinstance(route, Route) and (copy is None or copy.fetched_at is None):
        # This read may fill the feed, and writes need the database's view.
        loaded = guarded_load(lambda: load(key, now, may_have_row=copy is not None))
        keep(key.workspace_id, loaded.ladder.own)  # for reads while the database is unavailable
        return loaded
    return Situation(key, now, limits_for(key.workspace_id, now=now), connection, route, copy)


def load(key: FeedKey, now: datetime, *, may_have_row: bool = True) -> LoadedSituation:
    """The situation from the database. Pass `may_have_row=False` to skip the query for a feed known to be missing.

    Raises WorkspaceNotFound.
    """
    ladder = load_ladder(key.workspace_id)
    connection = links.find_connection(key)
    route = routing.route_for(key.source, connection)
    row = _find_row(key, route.mode) if may_have_row and isinstance(route, Route) else None
    return _loaded(key, now, ladder, connection, route, row)


def load_for(row: Feed, now: datetime) -> LoadedSituation:
    """The situation of a feed that was read by `with_orders`. Raises WorkspaceNotFound."""
    ladder = load_ladder(row.workspace_id)
    connection = links.find_connection(row.key)
    route = routing.route_for(row.key.source, connection)
    if isinstance(route, Route) and route.mode is not Mode(row.mode):
        route = NoRoute(Warning.CONNECT_REQUIRED)  # the source has switched to the feed of another mode
    return _loaded(row.key, now, ladder, connection, route, row)


def with_feed(
    loaded: LoadedSituation, *, is_preview: bool = False, reach: Reach | None = None
) -> LoadedSituation:
    """The situation with its feed, created if it is missing. Beat doesn't refresh the feed of a preview.

    `reach`: the posts whose pictures a new feed needs copies of.
    """
    if loaded.row is not None or isinstance(loaded.route, NoRoute):
        return loaded
    row = _create(loaded.key, loaded.route.mode, loaded.now, is_preview=is_preview, reach=reach)
    route = loaded.route if row is not None else NoRoute(Warning.CONNECT_REQUIRED)
    return _loaded(loaded.key, loaded.now, loaded.ladder, loaded.connection, route, row)


def with_row(loaded: LoadedSituation, row: Feed) -> LoadedSituation:
    """The situation after a refresh has written the feed's row."""
    return replace(loaded, row=row, copy=fast_copy.copy_of(row))


def warnings_of_route(key: FeedKey, route: Route | NoRoute, limits: Limits) -> frozenset[Warning]:
    """The warnings of plan and route. A plan's restriction hides the warning of a missing route."""
    in_plan = routing.is_in_plan(key.source, route, limits)
    restricted = frozenset() if in_plan else frozenset({Warning.PLAN_RESTRICTED})
    if isinstance(route, NoRoute):
        return restricted or frozenset({route.warning})
    return route.warnings | restricted


def warnings_of_connection(connection: ConnectionFacts | None, now: datetime) -> frozenset[Warning]:
    """The warnings about the connection that only members see."""
    if connection is None or connection.state not in _LIVING or connection.expires_at is None:
        return frozenset()
    ends_soon = connection.expires_at - now < EXPIRING_WITHIN
    return frozenset({Warning.TOKEN_EXPIRING} if ends_soon else ())


def _loaded(
    key: FeedKey,
    now: datetime,
    ladder: Ladder,
    connection: ConnectionFacts | None,
    route: Route | NoRoute,
    row: Feed | None,
) -> LoadedSituation:
    if row is not None and row.is_erased:
        row, route = None, NoRoute(Warning.CONNECT_REQUIRED)
    return LoadedSituation(
        key=key,
        now=now,
        limits=resolve(ladder.own, now),
        connection=connection,
        route=route,
        copy=fast_copy.copy_of(row) if row else None,
        row=row,
        ladder=ladder,
    )


def _find_row(key: FeedKey, mode: Mode) -> Feed | None:
    return Feed.objects.of_key(key, mode).with_orders().first()


def _create(key: FeedKey, mode: Mode, now: datetime, *, is_preview: bool, reach: Reach | None) -> Feed | None:
    """Insert the feed if it is still missing, and return it. None when the workspace or widget was deleted."""
    new = Feed(
        **key.columns,
        mode=mode.value,
        last_read_at=None if is_preview else now,
        pictures_reach=to_builtins(reach or Reach()),
    )
    try:
        Feed.objects.bulk_create([new], ignore_conflicts=True)
    except IntegrityError:  # the workspace was deleted meanwhile
        return None
    fast_copy.forget(key, mode)
    row = _find_row(key, mode)
    if row is None:
        return None
    if row.is_erased:  # the insert waited for the deletion to commit
        Feed.objects.filter(pk=row.pk).purge()
        return None
    # The pause is read after the insert, so that one ordered meanwhile isn't missed.
    until = row.ordered_pause_until
    if until is not None and until > now and row.paused_until is None:
        row.paused_at, row.paused_until = row.ordered_pause_at, until
        row.save(update_fields=["paused_at", "paused_until"])
    return row
