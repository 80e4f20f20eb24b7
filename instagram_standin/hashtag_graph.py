"""The hashtag edges of graph.facebook.com.

`GET ig_hashtag_search?user_id&q` → `{"data":[{"id"}]}`; `GET {hashtag-id}/recent_media|top_media?user_id&fields&limit`;
`GET {hashtag-id}?fields=id,name`; `GET {ig-user-id}/recently_searched_hashtags`. Codes 18 and 24 stand on no page of
Meta's; they are what developers report. Sources: "Hashtag search" (2024-01-26), IG Hashtag (2025-03-03).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from instagram_standin import graph_errors
from instagram_standin.calls import Call
from instagram_standin.fields import Field
from instagram_standin.graph import GraphHost, integer, selection_of
from instagram_standin.graph_errors import GraphRefusal, envelope
from instagram_standin.hashtags import Tag, TooManyTags, recent_rows, top_rows
from instagram_standin.messages import Answer, Request, json_answer
from instagram_standin.paging import DEFAULT_LIMIT, decode_cursor, encode_cursor
from instagram_standin.posts import Row, number_from
from instagram_standin.tokens import Grant, fingerprint

HASHTAG_MEDIA_FIELDS = frozenset(
    {
        "caption", "children", "comments_count", "id", "like_count", "media_type", "media_url", "permalink",
        "timestamp",
    }
)  # fmt: skip
MAX_LIMIT = 50
_SEARCHES = 25
_MAX_SEARCHES = 30
_BASIC = frozenset({"instagram_basic"})
EDGES: dict[str, Callable[[Tag, float], Sequence[Row]]] = {"recent_media": recent_rows, "top_media": top_rows}


class HashtagGraph:
    """`host`: renders media and addresses."""

    def __init__(self, host: GraphHost) -> None:
        self._host = host
        self._hashtags = host.world.hashtags

    def answer(self, call: Call, path: Sequence[str], grant: Grant) -> Answer | None:
        """None when the path is none of hashtags. Raises GraphRefusal."""
        if call.request.method not in ("GET", "HEAD"):
            return None
        match path:
            case ["ig_hashtag_search"]:
                payload = self._search(call.request, grant)
            case [tag_id, edge] if edge in EDGES:
                payload = self._media(call, self._tag(tag_id), edge, grant)
            case [account_id, "recently_searched_hashtags"]:
                payload = self._searched(call.request, account_id, grant)
            case [tag_id] if self._hashtags.find_by_id(tag_id) is not None:
                payload = self._node(call.request, self._tag(tag_id))
            case _:
                return None
        return json_answer(payload, headers=self._host.world.usage.app_header())

    def _search(self, request: Request, grant: Grant) -> dict[str, object]:
        account_id, name = self._searcher(request, grant), request.query.get("q", "")
        if not name:
            raise graph_errors.bad_parameter("The parameter q is required")
        tag = self._hashtags.find(name)
        if tag is None and self._hashtags.unknown_is_empty:
            return {"data": []}
        if tag is None or tag.is_blocked:
            raise _no_such_tag()
        self._count(account_id, tag)
        return {"data": [{"id": tag.id}]}

    def _media(self, call: Call, tag: Tag, edge: str, grant: Grant) -> dict[str, object]:
        request = call.request
        account_id = self._searcher(request, grant)
        selection = selection_of(request)
        _check_fields(selection)
        limit = integer(request.query["limit"]) if "limit" in request.query else DEFAULT_LIMIT
        if limit < 1:
            raise graph_errors.bad_parameter("limit must be a positive number")
        limit = min(limit, MAX_LIMIT)
        cursor = _cursor(tag, edge)
        start = _start(request.query.get("after"), cursor)
        self._count(account_id, tag)
        rows = EDGES[edge](tag, time.time())
        reader = (account_id, tag.id, edge, fingerprint(call.token or ""))
        begin = self._hashtags.turn_pages(reader, start, limit)
        page = rows[begin : begin + limit]
        payload: dict[str, object] = {"data": [self._host.media(row, selection, request) for row in page]}
        if page:
            further = {"next": self._host.next_url(call, cursor)} if begin + limit < len(rows) else {}
            payload["paging"] = {"cursors": {"after": cursor}, **further}
        return payload

    def _searched(self, request: Request, account_id: str, grant: Grant) -> dict[str, object]:
        self._host.need(grant, _BASIC)
        if account_id not in grant.account_ids:
            raise graph_errors.no_such_object("get", account_id)
        limit = integer(request.query["limit"]) if "limit" in request.query else _SEARCHES
        ids = self._hashtags.asked(account_id)[: min(limit, _MAX_SEARCHES)]
        return {"data": [{"id": tag_id} for tag_id in ids]}

    def _node(self, request: Request, tag: Tag) -> dict[str, object]:
        row: dict[str, object] = {"id": tag.id, "name": tag.name}
        for field in selection_of(request):
            if field.name not in row:
                raise graph_errors.unknown_field(field.name, "IGHashtag")
        return {**{field.name: row[field.name] for field in selection_of(request)}, "id": tag.id}

    def _tag(self, tag_id: str) -> Tag:
        tag = self._hashtags.find_by_id(tag_id)
        if tag is None:
            raise graph_errors.no_such_object("get", tag_id)
        return tag

    def _searcher(self, request: Request, grant: Grant) -> str:
        """The account in whose name is searched: one of the token's."""
        self._host.need(grant, _BASIC)
        if not self._hashtags.has_feature:
            raise graph_errors.missing_permission(grant.denial_code, "Instagram Public Content Access")
        account_id = request.query.get("user_id", "")
        if not account_id:
            raise graph_errors.bad_parameter("The parameter user_id is required")
        if account_id not in grant.account_ids:
            raise graph_errors.no_such_object("get", account_id)
        return account_id

    def _count(self, account_id: str, tag: Tag) -> None:
        try:
            self._hashtags.ask(account_id, tag)
        except TooManyTags:
            raise _too_many_tags() from None


def _check_fields(selection: Sequence[Field]) -> None:
    for field in selection:
        if field.name not in HASHTAG_MEDIA_FIELDS:
            raise graph_errors.unknown_field(field.name, "Media")
        _check_fields(field.selection or ())


def _cursor(tag: Tag, edge: str) -> str:
    """The same on every page, as Meta documents."""
    return encode_cursor(0, 100 + number_from(f"cursor:{tag.name}:{edge}", 4_000))


def _start(after: str | None, cursor: str) -> int | None:
    """None is where the reader stood; another cursor (faults make some) says its own place."""
    if not after:
        return 0
    if after == cursor:
        return None
    try:
        return decode_cursor(after)[0]
    except ValueError:
        raise graph_errors.bad_parameter("The cursor is not valid") from None


def _no_such_tag() -> GraphRefusal:
    return GraphRefusal(
        envelope(
            "The requested resource does not exist",
            code=24,
            subcode=2207024,
            is_transient=False,
            user_title="Invalid hashtag",
            user_message="The hashtag you entered does not exist or cannot be searched.",
        )
    )


def _too_many_tags() -> GraphRefusal:
    return GraphRefusal(
        envelope(
            "Too many hashtags were queried",
            code=18,
            subcode=2207034,
            is_transient=False,
            user_title="Hashtag limit reached",
            user_message="30 unique hashtags can be queried within 7 days.",
        )
    )
