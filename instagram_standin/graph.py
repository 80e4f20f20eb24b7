"""graph.facebook.com's part: Business Discovery with its paging, its errors and its silences."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import Any

from instagram_standin.fields import BadExpression, Field, parse
from instagram_standin.world import Account, World

VERSIONED = re.compile(r"/v\d+\.\d/(\d+)\Z")
DEFAULT_LIMIT = 25


@dataclass(frozen=True)
class Operator:
    """The account that may ask by discovery, and its token."""

    ig_user_id: str
    token: str


class GraphError(Exception):
    """An error envelope of the Graph API."""

    def __init__(self, status: int, code: int, message: str, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.envelope = {
            "error": {
                "message": message,
                "type": "OAuthException",
                "code": code,
                "fbtrace_id": "Astandin",
                **more,
            }
        }


@dataclass(frozen=True)
class Discovery:
    """A discovery request, read from its path and query."""

    ig_user_id: str
    username: str
    fields: tuple[Field, ...]

    @property
    def after(self) -> str | None:
        media = next((field for field in self.fields if field.name == "media"), None)
        return media.modifiers.get("after") if media else None


def read_discovery(path: str, query: dict[str, str]) -> Discovery:
    """Raises GraphError for what Graph would refuse."""
    found = VERSIONED.fullmatch(path)
    if found is None:
        raise GraphError(400, 100, "Unsupported get request.")
    try:
        fields = parse(query.get("fields", "id"))
    except BadExpression as error:
        raise GraphError(400, 100, f"Syntax error: {error}") from None
    discovery = next((field for field in fields if field.name == "business_discovery"), None)
    if discovery is None or "username" not in discovery.modifiers:
        raise GraphError(400, 100, "(#100) Tried accessing nonexisting field")
    return Discovery(found[1], discovery.modifiers["username"], discovery.children)


def answer_discovery(
    world: World, operator: Operator, token: str | None, request: Discovery
) -> dict[str, Any]:
    """The answer's JSON. Unknown, personal and age-gated accounts are answered alike."""
    if token != operator.token or request.ig_user_id != operator.ig_user_id:
        raise GraphError(400, 190, "Error validating access token.", error_subcode=463)
    account = world.find(request.username)
    if account is None:
        raise GraphError(
            400,
            110,
            "Invalid user id",
            error_subcode=2207013,
            is_transient=False,
            error_user_title="Cannot find User",
        )
    found = {"id": account.ig_user_id}
    for field in request.fields:
        found |= _edge(account, field) if field.name == "media" else _account_field(account, field.name)
    return {"business_discovery": found, "id": request.ig_user_id}


def _account_field(account: Account, name: str) -> dict[str, Any]:
    known = {
        "username": account.username,
        "name": account.name,
        "media_count": len(account.media),
        "followers_count": 812,
        "profile_picture_url": account.picture,
    }
    value = known.get(name)
    return {} if value is None else {name: value}


def _edge(account: Account, field: Field) -> dict[str, Any]:
    """One page. Discovery gives cursors only, never `next`; no cursor when the end has been reached."""
    limit = max(1, min(int(field.modifiers.get("limit", DEFAULT_LIMIT) or DEFAULT_LIMIT), 100))
    start = _position(field.modifiers.get("after"))
    page = [_chosen(media, field.children) for media in account.media[start : start + limit]]
    edge: dict[str, Any] = {"data": page}
    if start + limit < len(account.media):
        edge["paging"] = {"cursors": {"after": _cursor(start + limit)}}
    return {"media": edge}


def _chosen(media: dict[str, Any], fields: tuple[Field, ...]) -> dict[str, Any]:
    """Only what was asked for; without fields only the id, and what a post does not have stays absent."""
    chosen = {}
    for field in fields or (Field("id"),):
        if field.name not in media:
            continue
        value = media[field.name]
        if field.name == "children" and isinstance(value, dict):
            value = {"data": [_chosen(child, field.children) for child in value["data"]]}
        chosen[field.name] = value
    return chosen


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(f"at:{position}".encode()).decode()


def _position(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return int(base64.urlsafe_b64decode(cursor).decode().removeprefix("at:"))
    except ValueError:
        raise GraphError(400, 100, "(#100) Invalid cursor") from None
