"""Which provider call reads a source, or which warning stands in its place. Pure; tokens are not known here.

A linked connection wins over public mode, and a dead one does not fall back to it. Instagram Login reads its own
account alone; Facebook Login reads its own account, other professional accounts by Business Discovery, and tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paris_integration.types import ConnectionFacts, ConnectionState, Login, Mode, Source, SourceType, Warning

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
    """How a source is read. `via` None: by the operator's own credentials.

    `warnings` belong to every answer. `is_open` False: the grant is dead, so that what we have is served and nothing
    is called.
    """

    mode: Mode
    call: Call
    via: ConnectionFacts | None
    warnings: frozenset[Warning] = frozenset()
    is_open: bool = True

    @property
    def credential(self) -> str:
        """The name of the rate-limit window that calls count against."""
        return str(self.via.connection_id) if self.via else PUBLIC_CREDENTIAL


@dataclass(frozen=True, slots=True)
class NoRoute:
    """Why a source cannot be read now."""

    warning: Warning


def resolve(source: Source, connection: ConnectionFacts | None, *, has_public_mode: bool) -> Route | NoRoute:
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
    dead = _CANNOT_CALL.get(connection.state)
    return Route(Mode.CONNECTED, call, connection, frozenset({dead} if dead else ()), is_open=dead is None)
