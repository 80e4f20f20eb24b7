"""The call that reads a source, for all combinations of sources, connections and public mode."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from paris_integration.feeds.routing import Call, NoRoute, Route, resolve
from paris_integration.types import (
    ConnectionFacts,
    ConnectionState,
    Login,
    Mode,
    Source,
    SourceType,
    Warning,
)

OWN = Source(SourceType.PROFILE, "acme.bakery")
OTHER = Source(SourceType.PROFILE, "other.studio")
TAG = Source(SourceType.HASHTAG, "bread")


def by(login: Login, state: ConnectionState = ConnectionState.ACTIVE) -> ConnectionFacts:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    return ConnectionFacts(UUID(int=1), UUID(int=2), login, "17841400000000001", "acme.bakery", state, 1, end)


INSTAGRAM, FACEBOOK = by(Login.INSTAGRAM), by(Login.FACEBOOK)


@pytest.mark.parametrize(
    ("source", "connection", "public", "expected"),
    [
        (OWN, None, True, (Mode.PUBLIC, Call.DISCOVERY, set())),
        (OWN, None, False, Warning.CONNECT_REQUIRED),
        (OWN, INSTAGRAM, True, (Mode.CONNECTED, Call.OWN_MEDIA, set())),
        (OWN, FACEBOOK, False, (Mode.CONNECTED, Call.OWN_MEDIA, set())),
        (OTHER, INSTAGRAM, True, (Mode.PUBLIC, Call.DISCOVERY, {Warning.WRONG_ACCOUNT})),
        (OTHER, INSTAGRAM, False, Warning.WRONG_ACCOUNT),
        (OTHER, FACEBOOK, True, (Mode.CONNECTED, Call.DISCOVERY, set())),
        (TAG, None, True, Warning.HASHTAG_REQUIRES_CONNECT),
        (TAG, INSTAGRAM, True, Warning.HASHTAG_REQUIRES_CONNECT),
        (TAG, FACEBOOK, False, (Mode.CONNECTED, Call.HASHTAG, set())),
    ],
)
def test_every_source_and_connection_has_its_route(
    source: Source, connection: ConnectionFacts | None, public: bool, expected: Any
) -> None:
    route = resolve(source, connection, has_public_mode=public)

    if isinstance(expected, Warning):
        assert route == NoRoute(expected)
    else:
        assert isinstance(route, Route)
        assert (route.mode, route.call, set(route.warnings)) == expected
        assert route.is_open
        assert (route.via is None) is (route.mode is Mode.PUBLIC)


@pytest.mark.parametrize(
    ("state", "warning"),
    [
        (ConnectionState.RECONNECT_REQUIRED, Warning.RECONNECT_REQUIRED),
        (ConnectionState.DEAUTHORISED, Warning.RECONNECT_REQUIRED),
        (ConnectionState.PERMISSION_MISSING, Warning.PERMISSION_MISSING),
    ],
)
def test_a_dead_connection_does_not_fall_back_to_public_mode(
    state: ConnectionState, warning: Warning
) -> None:
    for source in (OWN, OTHER, TAG):
        route = resolve(source, by(Login.FACEBOOK, state), has_public_mode=True)
        assert isinstance(route, Route)
        assert (route.mode, route.is_open, route.warnings) == (Mode.CONNECTED, False, {warning})


def test_an_expiring_connection_is_still_used() -> None:
    route = resolve(OWN, by(Login.INSTAGRAM, ConnectionState.EXPIRING), has_public_mode=False)
    assert isinstance(route, Route)
    assert route.is_open
