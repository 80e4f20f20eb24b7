"""What editors are told, in words a shop owner understands. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from paris_integration.public import ConnectionState

_STATES = {
    ConnectionState.ACTIVE: "working",
    ConnectionState.EXPIRING: "working, but the permission ends soon; it is renewed by itself",
    ConnectionState.RECONNECT_REQUIRED: "Instagram no longer accepts the permission: please reconnect",
    ConnectionState.PERMISSION_MISSING: "a permission is missing: please reconnect and allow everything asked for",
    ConnectionState.DEAUTHORISED: "access was withdrawn at Instagram: reconnect to show posts again",
}
_FAILURES = {
    "ACCESS_DENIED": "You cancelled at Instagram. Nothing was changed.",
    "STATE_INVALID": "That login is no longer valid: it was used, or took over ten minutes. Start again.",
    "EXCHANGE_FAILED": "Instagram did not complete the login. Start again in a minute.",
    "PERMISSION_MISSING": "A permission was left out. Start again and allow everything asked for.",
    "NO_PROFESSIONAL_ACCOUNT": (
        "No professional Instagram account was found. Switch the account to Business or Creator in the Instagram app; "
        "for Facebook login, link it to a Page you manage."
    ),
    "PLAN_RESTRICTED": "Your plan does not include connected accounts.",
}


@dataclass(frozen=True, slots=True)
class Result:
    """`kind`: a style, `done` or `problem`."""

    kind: str
    words: str


def connection_words(state: ConnectionState) -> str:
    return _STATES[state]


def login_result_words(query: Mapping[str, str]) -> Result | None:
    """How the login ended, as its redirect says; words of our own for what may be anybody's query."""
    if query.get("status") == "connected":
        return Result("done", "The account is connected.")
    if query.get("status") == "error":
        return Result(
            "problem", _FAILURES.get(query.get("reason", ""), "The login did not complete. Start again.")
        )
    return None
