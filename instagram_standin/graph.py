"""What both Graph hosts have in common: versions, tokens, field selections, an account's own media.

Sources: IG User, IG Media and "Results" of the Instagram Platform and Graph API documentation (2026).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import ClassVar, TypeVar
from urllib.parse import urlencode

from instagram_standin import errors
from instagram_standin.accounts import Profile
from instagram_standin.errors import GraphRefusal
from instagram_standin.fields import (
    DEFAULT_LIMIT,
    Field,
    FieldSyntaxError,
    decode_cursor,
    encode_cursor,
    names_in,
    number,
    parse_fields,
)
from instagram_standin.media import MEDIA_PREFIX, Row
from instagram_standin.messages import Answer, Call, Request, json_answer
from instagram_standin.tokens import Family, Grant
from instagram_standin.world import Host

Item = TypeVar("Item")

MAX_LIMIT = 100  # Meta documents none, and caps some edges silently
VERSION = re.compile(r"v[0-9]+\.0", re.ASCII)

USER_FIELDS = {
    "id", "username", "name", "biography", "website", "followers_count", "follows_count", "media_count",
    "profile_picture_url",
}  # fmt: skip
MEDIA_FIELDS = {
    "id", "caption", "media_type", "media_product_type", "media_url", "thumbnail_url", "permalink",
    "shortcode", "timestamp", "username", "alt_text", "children", "comments_count", "like_count",
    "is_shared_to_feed", "media_audio_type", "view_count", "owner",
}  # fmt: skip


class GraphHost(Host):
    """One of Meta's Graph hosts. `media_scopes`: of each set one permission is needed to read media."""

    family: ClassVar[Family]
    media_scopes: ClassVar[tuple[frozenset[str], ...]]

    def describe(self, request: Request) -> Call:
        try:
            selection = parse_fields(request.query.get("fields", ""))
        except FieldSyntaxError:
            selection = ()
        username, after = self.target(request, selection)
        fields = frozenset(names_in(selection))
        return Call(request, username.lower() if username else None, after or None, fields, token_of(request))

    def answer(self, call: Call) -> Answer:
        try:
            version, path = self._versioned_path(call.request)
        except GraphRefusal as refusal:
            return refusal.answer()
        try:
            if call.token is None and path == ["me"]:
                raise errors.token_wanted()
            answer = self.respond(call, path)
        except GraphRefusal as refusal:
            answer = refusal.answer()
        return Answer(answer.status, answer.body, {**answer.headers, "facebook-api-version": version})

    def respond(self, call: Call, path: Sequence[str]) -> Answer:
        """The answer to a call under a version. Raises GraphRefusal."""
        return self.read(call, path, self.authorise(call))

    def read(self, call: Call, path: Sequence[str], grant: Grant) -> Answer:
        """The answer to a call with a good token. Raises GraphRefusal."""
        if call.request.method not in ("GET", "HEAD"):
            raise errors.no_such_object(call.request.method, path[0])
        match path:
            case [node_id]:
                return self.read_account(call, self.own_profile(call, node_id, grant), grant)
            case [node_id, "media"]:
                self.need(grant, *self.media_scopes)
                profile, selection = self.own_profile(call, node_id, grant), selection_of(call.request)
                return self.edge(
                    call, profile.posts, lambda row: self.media(row, selection, call.request),
                    headers=self.world.options.business_usage(profile.id),
                )  # fmt: skip
            case _:
                raise errors.unknown_path("/".join(path))

    def read_account(self, call: Call, profile: Profile, grant: Grant) -> Answer:
        """The account for which the token speaks."""
        self.need(grant, *self.media_scopes[:1])
        payload = self.user(profile, selection_of(call.request), call.request)
        return json_answer(payload, headers=self.world.options.business_usage(profile.id))

    # Nodes and edges

    def user(self, profile: Profile, selection: Sequence[Field], request: Request) -> dict[str, object]:
        """The fields asked for of an account; without any, its id."""
        row = profile.row()
        payload: dict[str, object] = {}
        for field in selection:
            if field.name == "media":
                payload["media"] = self._expanded_media(profile, field, request)
            elif field.name not in USER_FIELDS:
                raise errors.unknown_field(field.name, "IGUser")
            elif field.name in row:
                payload[field.name] = self._addressed(row[field.name], request)
        return {**payload, "id": profile.id}

    def media(self, row: Row, selection: Sequence[Field], request: Request) -> dict[str, object]:
        """The fields asked for of a post or of an album's child; without any, its id."""
        payload: dict[str, object] = {}
        for field in (*selection, Field("id")):
            if field.name not in MEDIA_FIELDS:
                raise errors.unknown_field(field.name, "Media")
            if field.name not in row:
                continue
            value = row[field.name]
            if field.name == "children" and isinstance(value, list):
                inner = field.selection or ()
                value = {"data": [self.media(c, inner, request) if isinstance(c, dict) else c for c in value]}
            payload[field.name] = self._addressed(value, request)
        return payload

    def _expanded_media(self, profile: Profile, field: Field, request: Request) -> dict[str, object]:
        """Media read by expansion: no `next`, and no cursors on the last page (seen August 2026)."""
        posts, _, following = cut(profile.posts, field.modifiers.get("limit"), field.modifiers.get("after"))
        data = [self.media(row, field.selection or (), request) for row in posts]
        return {"data": data, **({"paging": {"cursors": {"after": following}}} if following else {})}

    def edge(
        self, call: Call, items: Sequence[Item], tell: Callable[[Item], object], headers: dict[str, str]
    ) -> Answer:
        """A page of an edge, with `limit`, `after` and a `next`."""
        query = call.request.query
        page, before, following = cut(items, query.get("limit"), query.get("after"))
        payload: dict[str, object] = {"data": [tell(item) for item in page]}
        if page:
            further = {"next": self.next_url(call, following)} if following else {}
            payload["paging"] = {"cursors": {"before": before, "after": following or before}, **further}
        return json_answer(payload, headers=headers)

    def next_url(self, call: Call, after: str) -> str:
        """As Meta writes it: with the token in it."""
        request = call.request
        query = {**request.query, "access_token": call.token or "", "after": after}
        return f"{self.world.links.origin(request.host)}{request.path}?{urlencode(query)}"

    def _addressed(self, value: object, request: Request) -> object:
        """Paths of our own files become addresses."""
        is_file = isinstance(value, str) and value.startswith(MEDIA_PREFIX)
        return self.world.links.address(str(value), request.host) if is_file else value

    # Access

    def _versioned_path(self, request: Request) -> tuple[str, list[str]]:
        version, *path = [*_parts(self.prefix, request), ""]
        if re.fullmatch(r"v[0-9.]+", version) and not VERSION.fullmatch(version):
            raise errors.unknown_path(version)
        if not VERSION.fullmatch(version) or len(path) < 2:
            raise unversioned(request.method)
        options = self.world.options
        number = int(version[1:].partition(".")[0])
        if number > options.newest_version:
            raise errors.unknown_path("/".join(path[:-1]))
        return f"v{max(number, options.oldest_version)}.0", path[:-1]

    def authorise(self, call: Call) -> Grant:
        """What the token stands for. Raises GraphRefusal for one that is not good."""
        grant = self.world.tokens.find(call.token, self.family) if call.token else None
        if grant is None:
            raise errors.bad_token()
        rejection = grant.rejection_at(time.time())
        if rejection is not None:
            raise errors.rejected_token(rejection)
        return grant

    def need(self, grant: Grant, *needed: frozenset[str]) -> None:
        """Raises GraphRefusal unless one scope of each set was granted."""
        for any_of in needed:
            if not grant.scopes & any_of:
                raise errors.missing_permission(grant.denial_code, min(any_of))

    def own_profile(self, call: Call, node_id: str, grant: Grant) -> Profile:
        profile = self.world.profiles.find_by_id(node_id) if node_id in grant.account_ids else None
        if profile is None:
            raise errors.no_such_object(call.request.method, node_id)
        return profile

    def target(self, request: Request, selection: Sequence[Field]) -> tuple[str | None, str | None]:
        """Whose media are asked for, and after which cursor."""
        path = _parts(self.prefix, request)
        is_media = len(path) == 3 and path[2] == "media"
        profile = self.world.profiles.find_by_id(path[1]) if is_media else None
        return profile.username if profile else None, request.query.get("after")


def _parts(prefix: str, request: Request) -> list[str]:
    return [part for part in request.path.removeprefix(prefix).split("/") if part]


def unversioned(method: str) -> GraphRefusal:
    return GraphRefusal(f"Unsupported request - method type: {method.lower()}", 100, kind="IGApiException")


def selection_of(request: Request) -> tuple[Field, ...]:
    """Raises GraphRefusal for a wrong field expression."""
    try:
        return parse_fields(request.query.get("fields", ""))
    except FieldSyntaxError as error:
        raise GraphRefusal(str(error), 2500) from None


def cut(
    items: Sequence[Item], limit: str | None, after: str | None
) -> tuple[Sequence[Item], str, str | None]:
    """The page asked for, its cursor, and the cursor of the next page. Raises GraphRefusal for a wrong parameter."""
    try:
        start = decode_cursor(after)[0] if after else 0
        end = start + min(number(limit, DEFAULT_LIMIT), MAX_LIMIT)
    except ValueError as error:
        raise errors.bad_parameter(str(error)) from None
    return items[start:end], encode_cursor(start), encode_cursor(end) if end < len(items) else None


def token_of(request: Request) -> str | None:
    """From the Authorization header, or else from the query."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return request.query.get("access_token") or None
