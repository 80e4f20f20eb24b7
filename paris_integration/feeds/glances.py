"""The state of many widgets' feeds, for lists. Loads no posts, and makes no query per widget or workspace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from entitlements.limits import Limits, fresh_limits_of
from paris_integration.connections import links
from paris_integration.feeds import fast_copy, pauses, routing, situation
from paris_integration.models import Feed
from paris_integration.types import (
    ConnectionFacts,
    FeedKey,
    Glance,
    Mode,
    known_warnings,
    warning_of_fault,
)


def glance_at(keys: Iterable[FeedKey], *, now: datetime) -> dict[str, Glance]:
    """The state of each instance's feed, by instance id. Makes a few queries for all of them."""
    wanted = list(keys)
    instance_ids = [key.instance_id for key in wanted]
    connections = links.find_connections(wanted)
    rows = fast_copy.rows_without_posts(instance_ids)
    paused_until = pauses.ends_of(instance_ids, now=now)
    limits = fresh_limits_of({key.workspace_id for key in wanted}, now=now)
    return {
        key.instance_id: replace(
            _glance(key, connections.get(key.instance_id), rows, limits[key.workspace_id], now),
            paused_until=paused_until.get(key.instance_id),
        )
        for key in wanted
    }


def _glance(
    key: FeedKey,
    connection: ConnectionFacts | None,
    rows: Mapping[tuple[FeedKey, Mode], Feed],
    limits: Limits,
    now: datetime,
) -> Glance:
    route = routing.route_for(key.source, connection)
    beside = situation.warnings_of_route(key, route, limits) | situation.warnings_of_connection(
        connection, now
    )
    row = rows.get((key, route.mode)) if isinstance(route, routing.Route) else None
    if row is None:
        return Glance(None, None, beside)
    own = known_warnings(row.data_warnings) | ({warning_of_fault(row.fault)} if row.fault else set())
    return Glance(row.fetched_at, row.attempted_at, beside | own)
