"""Collects the pages of one source and decides whether there are more. Pure.

Sources: Graph API "Paginated results" (a page shorter than `limit`, even an empty one, isn't the end), "IG User media"
(2026-09), "Business Discovery" (2026-08-12), "Hashtag recent media" (2024-01-26).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from paris_integration.errors import ProviderError, UnexpectedPayload
from paris_integration.providers.base import RawFeed, Usage

MAX_CALLS = 20
MAX_EMPTY_PAGES = 2
SMALLEST_LIMIT = 10
NO_MEDIA: Mapping[str, object] = {"data": []}
_CURSOR = re.compile(r"[A-Za-z0-9_=.|~+/%-]{1,500}", re.ASCII)


class Edge(Enum):
    """The kind of media list. Each signals further pages differently."""

    OWN_MEDIA = auto()  # `paging.next`; the last page has a cursor, too
    HASHTAG = auto()  # `paging.next`, one cursor for all pages; developers report pages that never end
    DISCOVERY = auto()  # cursors but no `next`; the account says how many posts it has


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the account's fields if requested, and its list of media."""

    account: Mapping[str, object] | None
    media: object
    usage: Usage


@dataclass
class Pages:
    """The media collected so far, and the `cursor` of the next page, or None.

    `limit`: posts per page. `calls`: calls made, successful or not. `broke_off`: there are more posts, but no usable
    cursor.
    """

    edge: Edge
    max_posts: int
    limit: int
    media: list[object] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    profile: Mapping[str, object] | None = None
    usage: Usage = field(default_factory=Usage)
    calls: int = 0
    empty_pages: int = 0
    cursor: str | None = None
    broke_off: bool = False

    @property
    def may_call(self) -> bool:
        return self.calls < MAX_CALLS

    def add(self, page: Page) -> None:
        """Add a page. Raises UnexpectedPayload if it isn't one."""
        if self.profile is None:
            self.profile = page.account
        self.usage = Usage(
            max(self.usage.percent, page.usage.percent),
            max(self.usage.regain_minutes, page.usage.regain_minutes),
        )
        items, paging = items_and_paging(page.media)
        new_ids = {str(item["id"]) for item in items if isinstance(item, dict) and "id" in item} - self.ids
        self.ids |= new_ids
        self.media += items
        self.empty_pages = 0 if items else self.empty_pages + 1
        after = _after(paging)
        # Pages are requested by cursor. `paging.next` only says that there is one: its URL contains the token, and
        # following it would call an address of the server's choice.
        has_more = after is not None if self.edge is Edge.DISCOVERY else _has_next(paging)
        self.cursor = None
        if not has_more or self._is_complete():
            return
        # The cursor becomes part of a field expression: this pattern prevents injection there.
        usable = isinstance(after, str) and _CURSOR.fullmatch(after) is not None
        if usable and not self._leads_nowhere(items, new_ids):
            self.cursor = str(after)
        else:
            self.break_off()

    def break_off(self) -> None:
        """Stop paging although the provider offers more."""
        self.cursor = None
        # Not for hashtags: their pages may repeat for ever, so it isn't known that there are more posts.
        match self.edge:
            case Edge.OWN_MEDIA:
                self.broke_off = True
            case Edge.DISCOVERY:
                self.broke_off = self._media_count() is not None

    def ask_for_less(self) -> bool:
        """Halve the number of posts per page, down to ten. False if it is already that small."""
        if self.limit <= SMALLEST_LIMIT:
            return False
        self.limit = max(self.limit // 2, SMALLEST_LIMIT)
        return True

    def as_feed(self, later_page_error: ProviderError | None = None) -> RawFeed:
        if later_page_error is None and self.broke_off:
            later_page_error = UnexpectedPayload("the paging led nowhere before its end")
        return RawFeed(tuple(self.media), self.profile, later_page_error, self.usage)

    def _leads_nowhere(self, items: list[object], new_ids: set[str]) -> bool:
        """Whether to stop: the page repeats known posts, or two pages in a row are empty where no `next` says more."""
        if items:
            return not new_ids
        return self.edge is Edge.DISCOVERY and self.empty_pages >= MAX_EMPTY_PAGES

    def _is_complete(self) -> bool:
        """Whether all requested posts, or all posts of the account, are collected."""
        total = self._media_count()
        return len(self.ids) >= self.max_posts or (total is not None and len(self.ids) >= total)

    def _media_count(self) -> int | None:
        total = self.profile.get("media_count") if self.profile else None
        return total if isinstance(total, int) else None


def items_and_paging(media: object) -> tuple[list[object], Mapping[str, object]]:
    """The media of one page and its `paging`. Raises UnexpectedPayload if it isn't a page."""
    items = media.get("data") if isinstance(media, dict) else None
    if not isinstance(media, dict) or not isinstance(items, list):
        raise UnexpectedPayload("media is not a page")
    paging = media.get("paging")
    return items, paging if isinstance(paging, dict) else {}


def _after(paging: Mapping[str, object]) -> object:
    cursors = paging.get("cursors")
    return cursors.get("after") if isinstance(cursors, dict) else None


def _has_next(paging: Mapping[str, object]) -> bool:
    address = paging.get("next")
    return isinstance(address, str) and bool(address)
