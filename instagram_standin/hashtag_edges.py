"""The hashtag edges of graph.facebook.com.

`GET ig_hashtag_search?user_id&q` → `{"data":[{"id"}]}`; `GET {hashtag-id}/recent_media|top_media?user_id&fields&limit`;
`GET {ig-user-id}/recently_searched_hashtags`. Codes 18 and 24 are on no page of
Meta's; developers report them. Sources: "Hashtag search" (2024-01-26), IG Hashtag (2025-03-03).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from instagram_standin import errors
from instagram_standin.fields import DEFAULT_LIMIT, Field, decode_cursor, encode_cursor, number
from instagram_standin.graph import GraphHost, selection_of
from instagram_standin.hashtags import Tag, TooManyTags
from instagram_standin.media import Row
from instagram_standin.messages import Answer, Call, Request, fingerprint, json_answer
from instagram_standin.tokens import Grant, number_from

HASHTAG_MEDIA_FIELDS = frozenset(
    {
        "caption", "children", "comments_count", "id", "like_count", "media_type", "media_url", "permalink",
        "timestamp",
    }
)  # fmt: skip
MAX_LIMIT = 50
_BASIC = frozenset({"instagram_basic"})


class HashtagHost(GraphHost):
    """A Graph host with the hashtag edges."""

    def hashtag_answer(self, call: Call, path: Sequence[str], grant: Grant) -> Answer | None:
        """None when the path is none of hashtags. Raises GraphRefusal."""
        if call.request.method not in ("GET", "HEAD"):
            return None
        try:
            match path:
                case ["ig_hashtag_search"]:
                    payload = self._search(call.request, grant)
                case [tag_id, "recent_media" | "top_media" as edge]:
                    payload = self._tagged(call, self._tag(tag_id), edge, grant)
                case [account_id, "recently_searched_hashtags"]:
                    payload = self._searched(call.request, account_id, grant)
                case _:
                    return None
        except ValueError as error:
            raise errors.bad_parameter(str(error)) from None
        return json_answer(payload, headers=self.world.options.app_usage())

    def _search(self, request: Request, grant: Grant) -> dict[str, object]:
        account_id, name = self._searcher(request, grant), request.query.get("q", "")
        if not name:
            raise errors.bad_parameter("The parameter q is required")
        tag = self.world.hashtags.find(name)
        if tag is None and self.world.options.unknown_tag_is_empty:
            return {"data": []}
        if tag is None or tag.is_blocked:
            words = "The hashtag you entered does not exist or cannot be searched."
            message = "The requested resource does not exist"
            raise errors.for_people(message, 24, 2207024, "Invalid hashtag", words)
        self._count(account_id, tag)
        return {"data": [{"id": tag.id}]}

    def _tagged(self, call: Call, tag: Tag, edge: str, grant: Grant) -> dict[str, object]:
        request, account_id = call.request, self._searcher(call.request, grant)
        selection = selection_of(request)
        _check_fields(selection)
        # The same on every page, as Meta documents.
        cursor = encode_cursor(0, 100 + number_from(f"cursor:{tag.name}:{edge}", 4_000))
        after = request.query.get("after")
        limit = min(number(request.query.get("limit"), DEFAULT_LIMIT), MAX_LIMIT)
        # Another cursor (faults make some) has its own position.
        start = None if after == cursor else decode_cursor(after)[0] if after else 0
        self._count(account_id, tag)
        rows = self.world.hashtags.rows(tag, edge, time.time())
        reader = (account_id, tag.id, edge, fingerprint(call.token or ""))
        begin = self.world.hashtags.turn_pages(reader, start, limit)
        page = [self.media(_without_cover(row), selection, request) for row in rows[begin : begin + limit]]
        if not page:
            return {"data": []}
        further = {"next": self.next_url(call, cursor)} if begin + limit < len(rows) else {}
        return {"data": page, "paging": {"cursors": {"after": cursor}, **further}}

    def _searched(self, request: Request, account_id: str, grant: Grant) -> dict[str, object]:
        self.need(grant, _BASIC)
        if account_id not in grant.account_ids:
            raise errors.no_such_object("get", account_id)
        limit = min(number(request.query.get("limit"), DEFAULT_LIMIT), 30)
        return {"data": [{"id": tag_id} for tag_id in self.world.hashtags.asked(account_id)[:limit]]}

    def _tag(self, tag_id: str) -> Tag:
        tag = self.world.hashtags.find_by_id(tag_id)
        if tag is None:
            raise errors.no_such_object("get", tag_id)
        return tag

    def _searcher(self, request: Request, grant: Grant) -> str:
        """The account in whose name the search is made: one of the token's."""
        self.need(grant, _BASIC)
        if not self.world.options.has_hashtag_feature:
            raise errors.missing_permission(grant.denial_code, "Instagram Public Content Access")
        account_id = request.query.get("user_id", "")
        if not account_id:
            raise errors.bad_parameter("The parameter user_id is required")
        if account_id not in grant.account_ids:
            raise errors.no_such_object("get", account_id)
        return account_id

    def _count(self, account_id: str, tag: Tag) -> None:
        try:
            self.world.hashtags.ask(account_id, tag)
        except TooManyTags:
            words = "30 unique hashtags can be queried within 7 days."
            message = "Too many hashtags were queried"
            raise errors.for_people(message, 18, 2207034, "Hashtag limit reached", words) from None


def _without_cover(row: Row) -> Row:
    """Here albums have no `media_url`."""
    is_album = row.get("media_type") == "CAROUSEL_ALBUM"
    return {name: value for name, value in row.items() if not (is_album and name == "media_url")}


def _check_fields(selection: Sequence[Field]) -> None:
    for field in selection:
        if field.name not in HASHTAG_MEDIA_FIELDS:
            raise errors.unknown_field(field.name, "Media")
        _check_fields(field.selection or ())
