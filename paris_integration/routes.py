"""How an instance's source is read now: the resolver's question, with its facts looked up."""

from __future__ import annotations

from entitlements.limits import Limits
from paris_integration import allowance, erased, links, registry, resolver
from paris_integration.resolver import NoRoute, Route
from paris_integration.types import ConnectionFacts, FeedKey, Warning


def find(key: FeedKey) -> Route | NoRoute:
    """By what is remembered of the connection; half a minute old at most."""
    return by_connection(key, links.find(key))


def load(key: FeedKey) -> Route | NoRoute:
    """By the database, for everything that calls or writes."""
    if erased.is_erased(key):
        return NoRoute(Warning.CONNECT_REQUIRED)
    return by_connection(key, links.load(key))


def is_in_plan(key: FeedKey, route: Route | NoRoute, limits: Limits) -> bool:
    """Whether the plan allows the source, and the connection where one is used."""
    by_connection = isinstance(route, Route) and route.via is not None
    return allowance.is_in_plan(key.source, limits) and (limits.oauth_enabled or not by_connection)


def by_connection(key: FeedKey, connection: ConnectionFacts | None) -> Route | NoRoute:
    """By a connection that the caller has at hand."""
    return resolver.resolve(key.source, connection, has_public_mode=registry.has_public_mode())
