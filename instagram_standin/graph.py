"""What both Graph hosts do alike: versions, tokens, field selections, an account's own media.

Sources: IG User, IG Media and "Results" of the Instagram Platform and Graph API documentation (2026).
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import ClassVar
from urllib.parse import urlencode

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.fields import Field, FieldSyntaxError, names_in, parse_fields
from instagram_standin.graph_errors import GraphRefusal
from instagram_standin.links import MEDIA_PREFIX
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.paging import DEFAULT_LIMIT, Item, Page, page_of
from instagram_standin.posts import Row
from instagram_standin.profiles import Profile
from instagram_standin.tokens import Family, Grant
from instagram_standin.world import World

VERSION = re.compile(r"v[0-9]+\.0", re.ASCII)
_LOOKS_LIKE_VERSION = re.compile(r"v[0-9.]+", re.ASCII)

USER_FIELDS = {
    "id", "username", "name", "biography", "website", "followers_count", "follows_count", "media_count",
    "profile_picture_url",
}  # fmt: skip
MEDIA_FIELDS = {
    "id", "caption", "media_type", "media_product_type", "media_url", "thumbnail_url", "permalink",
    "shortcode", "timestamp", "username", "alt_text", "children", "comments_count", "like_count",
    "is_shared_to_feed", "media_audio_type", "view_count", "owner",
}  # fmt: skip


class GraphHost:
    """One of Meta's Graph hosts, as far as both are the same."""

    prefix: ClassVar[str]
    family: ClassVar[Family]
    media_scopes: ClassVar[tuple[frozenset[str], ...]]  # of each set one is needed

    def __init__(self, world: World) -> None:
        self.world = world

    def describe(self, request: Request) -> Call:
        """What is asked for, as far as it can be read: never raises."""
        selection = _parsed_or_empty(request.query.get("fields", ""))
        username, after = self._target(request, selection)
        return Call(
            request=request,
            username=username.lower() if username is not None else None,
            after=after or None,
            fields=frozenset(names_in(selection)),
            token=token_of(request),
        )

    def answer(self, call: Call) -> Answer:
        try:
            version, path = self._versioned_path(call.request)
            answer = self.respond(call, path)
        except GraphRefusal as refusal:
            return refusal.answer()
        return Answer(answer.status, answer.body, {**answer.headers, "facebook-api-version": version})

    def respond(self, call: Call, path: Sequence[str]) -> Answer:
        """The answer to a call under a version. Raises GraphRefusal."""
        return self.read(call, path, self.authorise(call))

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        """The answer to a call with a good token. Raises GraphRefusal."""
        if call.request.method not in ("GET", "HEAD"):
            raise graph_errors.no_such_object(call.request.method, path[0])
        match path:
            case [node_id]:
                return self.read_account(call, self.own_profile(call, node_id, grant), grant)
            case [node_id, "media"]:
                self.need(grant, *self.media_scopes)
                return self._read_own_media(call, self.own_profile(call, node_id, grant))
            case _:
                raise graph_errors.unknown_path("/".join(path))

    def read_account(self, call: Call, profile: Profile, grant: Grant) -> Answer:
        """The account the token speaks for."""
        self.need(grant, *self.media_scopes[:1])
        payload = self.user(profile, selection_of(call.request), call.request)
        return json_answer(payload, headers=self.world.usage.business_header(profile.id))

    # Nodes

    def user(self, profile: Profile, selection: Sequence[Field], request: Request) -> dict[str, object]:
        """The fields asked for of an account; without any, its id."""
        row = profile.row()
        payload: dict[str, object] = {}
        for field in selection:
            if field.name == "media":
                payload["media"] = self._expanded_media(profile, field, request)
            elif field.name not in USER_FIELDS:
                raise graph_errors.unknown_field(field.name, "IGUser")
            elif field.name in row:
                payload[field.name] = self.dressed(row[field.name], request)
        return {**payload, "id": profile.id}

    def media(self, row: Row, selection: Sequence[Field], request: Request) -> dict[str, object]:
        """The fields asked for of a post or of an album's child; without any, its id."""
        payload: dict[str, object] = {}
        for field in selection:
            if field.name not in MEDIA_FIELDS:
                raise graph_errors.unknown_field(field.name, "Media")
            if field.name not in row:
                continue
            value = row[field.name]
            if field.name == "children" and isinstance(value, list):
                payload["children"] = {"data": [self._child(child, field, request) for child in value]}
            else:
                payload[field.name] = self.dressed(value, request)
        if "id" in row:
            payload["id"] = row["id"]
        return payload

    def _child(self, child: object, field: Field, request: Request) -> object:
        return self.media(child, field.selection or (), request) if isinstance(child, dict) else child

    def dressed(self, value: object, request: Request) -> object:
        """Paths of our own files become addresses; everything else stays as it is."""
        if isinstance(value, str) and value.startswith(MEDIA_PREFIX):
            return self.world.links.address(value, request.host)
        return value

    # Edges

    def _expanded_media(self, profile: Profile, field: Field, request: Request) -> dict[str, object]:
        """Media read by expansion: no `next`, and no cursors once the last page is reached (seen August 2026)."""
        page = cut(profile.posts, field.modifiers.get("limit"), field.modifiers.get("after"))
        edge: dict[str, object] = {
            "data": [self.media(row, field.selection or (), request) for row in page.rows]
        }
        if not page.is_last:
            edge["paging"] = {"cursors": {"after": page.after}}
        return edge

    def _read_own_media(self, call: Call, profile: Profile) -> Answer:
        request = call.request
        selection = selection_of(request)
        page = cut(profile.posts, request.query.get("limit"), request.query.get("after"))
        payload: dict[str, object] = {"data": [self.media(row, selection, request) for row in page.rows]}
        if page.rows:
            cursors = {"before": page.before, "after": page.after}
            further = {} if page.is_last else {"next": self.next_url(call, page.after)}
            payload["paging"] = {"cursors": cursors, **further}
        return json_answer(payload, headers=self.world.usage.business_header(profile.id))

    def next_url(self, call: Call, after: str) -> str:
        """As Meta writes it: with the token in it."""
        request = call.request
        query = {**request.query, "access_token": call.token or "", "after": after}
        return f"{self.world.links.origin(request.host)}{request.path}?{urlencode(query)}"

    # The way in

    def _versioned_path(self, request: Request) -> tuple[str, list[str]]:
        parts = [part for part in request.path.removeprefix(self.prefix).split("/") if part]
        if not parts or not VERSION.fullmatch(parts[0]):
            if parts and _LOOKS_LIKE_VERSION.fullmatch(parts[0]):
                raise graph_errors.unknown_path(parts[0])
            raise graph_errors.unversioned(request.method)
        if len(parts) == 1:
            raise graph_errors.unversioned(request.method)
        return parts[0], parts[1:]

    def authorise(self, call: Call) -> Grant:
        """What the token stands for. Raises GraphRefusal for one that is worth nothing."""
        grant = self.world.tokens.find(call.token, self.family) if call.token else None
        if grant is None:
            raise graph_errors.bad_token()
        rejection = grant.rejection_at(time.time())
        if rejection is not None:
            raise graph_errors.rejected_token(rejection.subcode, rejection.since)
        return grant

    def need(self, grant: Grant, *needed: frozenset[str]) -> None:
        """Raises GraphRefusal unless one scope of each set was granted."""
        for any_of in needed:
            if not grant.scopes & any_of:
                raise graph_errors.missing_permission(grant.denial_code, min(any_of))

    def own_profile(self, call: Call, node_id: str, grant: Grant) -> Profile:
        profile = self.world.profiles.find_by_id(node_id) if node_id in grant.account_ids else None
        if profile is None:
            raise graph_errors.no_such_object(call.request.method, node_id)
        return profile

    def _target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        """Whose media are asked for, and after which cursor."""
        match [part for part in request.path.removeprefix(self.prefix).split("/") if part]:
            case [_, node_id, "media"]:
                profile = self.world.profiles.find_by_id(node_id)
                return profile.username if profile else None, request.query.get("after")
            case _:
                return None, request.query.get("after")


def selection_of(request: Request) -> tuple[Field, ...]:
    """Raises GraphRefusal for what is no field expression."""
    try:
        return parse_fields(request.query.get("fields", ""))
    except FieldSyntaxError as error:
        raise graph_errors.bad_fields(error.expected, error.position) from None


def token_of(request: Request) -> str | None:
    """From the Authorization header, or else from the query."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.query.get("access_token") or None


def _parsed_or_empty(text: str) -> tuple[Field, ...]:
    try:
        return parse_fields(text)
    except FieldSyntaxError:
        return ()


def cut(items: Sequence[Item], limit: str | None, after: str | None) -> Page[Item]:
    """The page that `limit` and `after` of a call ask for. Raises GraphRefusal for values that are none."""
    asked = DEFAULT_LIMIT if limit is None else integer(limit)
    try:
        return page_of(items, asked, after)
    except ValueError:
        culprit = "limit must be a positive number" if asked < 1 else "The cursor is not valid"
        raise graph_errors.bad_parameter(culprit) from None


def integer(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0
