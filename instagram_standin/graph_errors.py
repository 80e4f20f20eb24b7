"""Meta's error envelope, and the refusals both Graph hosts share. Source: Graph API "Handle errors" (2026)."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from instagram_standin.messages import Answer, json_answer


def envelope(
    message: str,
    *,
    code: int,
    subcode: int | None = None,
    kind: str = "OAuthException",
    is_transient: bool | None = None,
    user_title: str | None = None,
    user_message: str | None = None,
) -> dict[str, object]:
    """`{"error": {...}}`, without the keys that are None."""
    error = {
        "message": message,
        "type": kind,
        "code": code,
        "error_subcode": subcode,
        "is_transient": is_transient,
        "error_user_title": user_title,
        "error_user_msg": user_message,
        "fbtrace_id": f"A{secrets.token_urlsafe(8)}",
    }
    return {"error": {key: value for key, value in error.items() if value is not None}}


class GraphRefusal(Exception):
    """The request is answered with an error envelope."""

    def __init__(self, payload: dict[str, object], status: int = 400) -> None:
        super().__init__(payload)
        self.payload = payload
        self.status = status

    def answer(self) -> Answer:
        return json_answer(self.payload, self.status)


_BAD_TOKEN = "Invalid OAuth access token - Cannot parse access token"  # noqa: S105 - a sentence
_REJECTIONS = {
    458: "The user has not authorized the application.",
    459: "The user is enrolled in a blocking, logged-in checkpoint",
    460: (
        "The session has been invalidated because the user changed their password or Facebook has changed the session "
        "for security reasons."
    ),
    463: "Session has expired on {since}.",
    464: "Sessions for the user are not allowed because the user is not a confirmed user.",
    467: "The session is invalid because the user logged out.",
    492: "Session is invalid. The user has lost their role on the Page.",
}


def bad_token() -> GraphRefusal:
    return GraphRefusal(envelope(_BAD_TOKEN, code=190))


def rejected_token(subcode: int | None, since: float) -> GraphRefusal:
    """A token that was good once. `since`: Unix seconds."""
    moment = datetime.fromtimestamp(since, UTC).strftime("%A, %d-%b-%y %H:%M:%S UTC")
    reason = _REJECTIONS.get(subcode or 0, "The session is invalid.").format(since=moment)
    message = f"Error validating access token: {reason}"
    return GraphRefusal(envelope(message, code=190, subcode=subcode))


def missing_permission(code: int, scope: str) -> GraphRefusal:
    """`code`: 10, or 200 as the older edges say."""
    reason = {
        200: f"Requires {scope} permission to manage the object",
    }.get(code, "Application does not have permission for this action")
    return GraphRefusal(envelope(f"(#{code}) {reason}", code=code), status=403 if code == 200 else 400)


def bad_secret() -> GraphRefusal:
    return GraphRefusal(envelope("Error validating client secret.", code=1))


def bad_app() -> GraphRefusal:
    message = "Error validating application. Cannot get application info due to a system error."
    return GraphRefusal(envelope(message, code=101))


def no_proof() -> GraphRefusal:
    message = "API calls from the server require an appsecret_proof argument"
    return GraphRefusal(envelope(message, code=100, kind="GraphMethodException"))


def bad_proof() -> GraphRefusal:
    message = "Invalid appsecret_proof provided in the API argument"
    return GraphRefusal(envelope(message, code=100, kind="GraphMethodException"))


def unversioned(method: str) -> GraphRefusal:
    message = f"Unsupported request - method type: {method.lower()}"
    return GraphRefusal(envelope(message, code=100, kind="IGApiException"))


def unknown_path(path: str) -> GraphRefusal:
    return GraphRefusal(envelope(f"Unknown path components: /{path}", code=2500))


def no_such_object(method: str, node_id: str) -> GraphRefusal:
    """Meta does not tell what is missing from what is forbidden."""
    message = (
        f"Unsupported {method.lower()} request. Object with ID '{node_id}' does not exist, cannot be loaded due to "
        "missing permissions, or does not support this operation"
    )
    return GraphRefusal(envelope(message, code=100, subcode=33, kind="GraphMethodException"))


def unknown_field(name: str, node_type: str) -> GraphRefusal:
    message = f"(#100) Tried accessing nonexisting field ({name}) on node type ({node_type})"
    return GraphRefusal(envelope(message, code=100))


def bad_parameter(message: str) -> GraphRefusal:
    return GraphRefusal(envelope(f"(#100) {message}", code=100))


def bad_fields(expected: str, position: int) -> GraphRefusal:
    message = f"Syntax error: expected {expected} at character {position} of fields"
    return GraphRefusal(envelope(message, code=2500))


def no_such_professional(username: str) -> GraphRefusal:
    """Unknown and personal accounts are answered alike (developers' measurement, September 2026)."""
    return GraphRefusal(
        envelope(
            "Invalid user id",
            code=110,
            subcode=2207013,
            is_transient=False,
            user_title="Cannot find User",
            user_message=f"The user with username: {username} cannot be found.",
        )
    )
