"""Chooses the provider call and credential for a source, or the warning if there is none.

A linked connection takes precedence over public mode, even if its token is refused. Instagram Login reads its own
account. Facebook Login also reads other professional accounts (Business Discovery) and hashtags.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from django.conf import settings

from entitlements.limits import Limits
from paris_integration import registry
from paris_integration.connections import hashtags, lifecycle
from paris_integration.providers.base import DiscoveryRequest, FeedRequest, HashtagRequest, OwnMediaRequest
from paris_integration.providers.deadlines import Deadline
from paris_integration.types import (
    ConnectionFacts,
    ConnectionState,
    Login,
    Mode,
    Secret,
    Source,
    SourceType,
    Warning,
)

PUBLIC_CREDENTIAL = "public"
_CANNOT_CALL = {
    ConnectionState.RECONNECT_REQUIRED: Warning.RECONNECT_REQUIRED,
    ConnectionState.PERMISSION_MISSING: Warning.PERMISSION_MISSING,
    ConnectionState.DEAUTHORISED: Warning.RECONNECT_REQUIRED,
}


class Call(StrEnum):
    OWN_MEDIA = "own_media"
    DISCOVERY = "discovery"
    HASHTAG = "hashtag"


@dataclass(frozen=True, slots=True)
class Route:
    """How to read a source. `via` None: with the operator's credentials.

    `warnings` are part of every answer. `is_open` False: the connection is refused, so cached posts are served and no
    call is made.
    """

    mode: Mode
    call: Call
    via: ConnectionFacts | None
    warnings: frozenset[Warning] = frozenset()
    is_open: bool = True

    @property
    def credential(self) -> str:
        """The key of the rate limit that calls count against."""
        return str(self.via.connection_id) if self.via else PUBLIC_CREDENTIAL

    @property
    def login(self) -> Login:
        """The login whose app and host calls use. The operator's account belongs to the app of Facebook login."""
        return self.via.login if self.via else Login.FACEBOOK


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why a source cannot be read now."""

    warning: Warning


def resolve(source: Source, connection: ConnectionFacts | None, *, has_public_mode: bool) -> Route | NoRoute:
    """The route for a source and the instance's connection. Pure."""
    if not source.value:  # the account was erased, and no other source has been chosen
        return NoRoute(Warning.CONNECT_REQUIRED)
    if source.type is SourceType.HASHTAG:
        if connection is None or connection.login is not Login.FACEBOOK:
            return NoRoute(Warning.HASHTAG_REQUIRES_CONNECT)
        return _connected(Call.HASHTAG, connection)
    if connection is None:
        return _public() if has_public_mode else NoRoute(Warning.CONNECT_REQUIRED)
    if connection.username == source.value:
        return _connected(Call.OWN_MEDIA, connection)
    if connection.login is Login.FACEBOOK:
        return _connected(Call.DISCOVERY, connection)
    return _public(Warning.WRONG_ACCOUNT) if has_public_mode else NoRoute(Warning.WRONG_ACCOUNT)


def _public(*warnings: Warning) -> Route:
    return Route(Mode.PUBLIC, Call.DISCOVERY, None, frozenset(warnings))


def _connected(call: Call, connection: ConnectionFacts) -> Route:
    warning = _CANNOT_CALL.get(connection.state)
    return Route(
        Mode.CONNECTED, call, connection, frozenset({warning} if warning else ()), is_open=warning is None
    )


def route_for(source: Source, connection: ConnectionFacts | None) -> Route | NoRoute:
    """The route for a source with this connection, or without one."""
    return resolve(source, connection, has_public_mode=registry.has_public_mode())


def is_in_plan(source: Source, route: Route | NoRoute, limits: Limits) -> bool:
    """Whether the plan allows the source, and the connection if the route uses one."""
    by_connection = isinstance(route, Route) and route.via is not None
    return is_source_in_plan(source, limits) and (limits.oauth_enabled or not by_connection)


def is_source_in_plan(source: Source, limits: Limits) -> bool:
    """Whether the plan allows this type of source."""
    return limits.hashtag_enabled if source.type is SourceType.HASHTAG else limits.profile_enabled


def request_for(route: Route, source: Source, *, now: datetime, deadline: Deadline) -> FeedRequest:
    """The provider request for a route. For a hashtag, this may search its number with an extra call, by `deadline`.

    Raises TokenRejected without a readable token, and the errors of `hashtags.number_of`.
    """
    via = route.via
    if via is None:
        operator = Secret(settings.PUBLIC_MODE_ACCESS_TOKEN)
        return DiscoveryRequest(settings.PUBLIC_MODE_IG_USER_ID, source.value, operator)
    token = lifecycle.open_token(via)  # decrypted as late as possible, for this one request
    match route.call:
        case Call.OWN_MEDIA:
            return OwnMediaRequest(via.login, via.account_id, via.username, token)
        case Call.DISCOVERY:
            return DiscoveryRequest(via.account_id, source.value, token)
        case Call.HASHTAG:
            number = hashtags.number_of(
                source.value, account_id=via.account_id, token=token, now=now, deadline=deadline
            )
            return HashtagRequest(via.account_id, number, token)
