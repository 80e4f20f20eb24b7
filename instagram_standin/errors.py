"""Meta's error envelope, the refusals of the Graph hosts, and a usage header.

Sources: Graph API "Handle errors" and "Rate limits" (2026).
"""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from instagram_standin.messages import Answer, json_answer
from instagram_standin.tokens import Rejection


def envelope(message: str, code: int, kind: str = "OAuthException", **others: object) -> dict[str, object]:
    """`{"error": {...}}`. `others`: error_subcode, is_transient and so on; None leaves one out."""
    known = {"message": message, "type": kind, "code": code}
    error = {**known, **others, "fbtrace_id": f"A{secrets.token_urlsafe(8)}"}
    return {"error": {key: value for key, value in error.items() if value is not None}}


def business_usage(account_id: str, percentages: dict[str, int], regain_minutes: int) -> dict[str, str]:
    """The usage header of one account's own limit."""
    entry = {"type": "instagram", **percentages, "estimated_time_to_regain_access": regain_minutes}
    return {"X-Business-Use-Case-Usage": json.dumps({account_id: [entry]}, separators=(",", ":"))}


class GraphRefusal(Exception):
    """The request is answered with an error envelope."""

    def __init__(
        self, message: str, code: int, subcode: int | None = None, status: int = 400, **others: Any
    ) -> None:
        super().__init__(message)
        self.code, self.subcode, self.status = code, subcode, status
        self.payload = envelope(message, code, error_subcode=subcode, **others)

    def answer(self) -> Answer:
        return json_answer(self.payload, self.status)


_REJECTIONS = {
    458: "The user has not authorized the application.",
    460: "The session has been invalidated because the user changed their password.",
    463: "Session has expired on {since}.",
    467: "The session is invalid because the user logged out.",
}


def bad_token() -> GraphRefusal:
    return GraphRefusal("Invalid OAuth access token - Cannot parse access token", 190)


def token_wanted() -> GraphRefusal:
    words = "An active access token must be used to query information about the current user."
    return GraphRefusal(words, 2500)


def rejected_token(rejection: Rejection) -> GraphRefusal:
    """A token that was good once."""
    since = datetime.fromtimestamp(rejection.since, UTC).strftime("%A, %d-%b-%y %H:%M:%S UTC")
    reason = _REJECTIONS.get(rejection.subcode or 0, "The session is invalid.").format(since=since)
    return GraphRefusal(f"Error validating access token: {reason}", 190, rejection.subcode)


def missing_permission(code: int, scope: str) -> GraphRefusal:
    """`code`: 10, or 200 as the older edges say."""
    if code == 200:
        return GraphRefusal(f"(#200) Requires {scope} permission to manage the object", 200, status=403)
    return GraphRefusal(f"(#{code}) Application does not have permission for this action", code)


def unknown_path(path: str) -> GraphRefusal:
    return GraphRefusal(f"Unknown path components: /{path}", 2500)


def no_such_object(method: str, node_id: str) -> GraphRefusal:
    """Meta does not tell what is missing from what is forbidden."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{node_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation"
    )
    return GraphRefusal(message, 100, 33, kind="GraphMethodException")


def unknown_field(name: str, node_type: str) -> GraphRefusal:
    return GraphRefusal(f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})", 100)


def bad_parameter(message: str) -> GraphRefusal:
    return GraphRefusal(f"(#100) {message}", 100)


def for_people(message: str, code: int, subcode: int, title: str, words: str) -> GraphRefusal:
    """An error with words for the person."""
    return GraphRefusal(
        message, code, subcode, is_transient=False, error_user_title=title, error_user_msg=words
    )
