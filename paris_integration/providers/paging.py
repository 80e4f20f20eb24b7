"""The pages of one source: what has been gathered, and whether to go on. Pure.

Page addresses are built from cursors. The provider's `paging.next` says that there is more and is never followed: it
is an address of its choosing with the token in it. Sources: Graph API "Paginated results" (a page shorter than
`limit`, even an empty one, is not the end), "IG User media" (2026-09), "Business Discovery" (2026-08-12), "Hashtag
recent media" (2024-01-26).
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
    """Whose media these are. Each edge has its own way to say that there is more."""

    OWN_MEDIA = auto()  # `paging.next`; the cursor comes on the last page, too
    HASHTAG = auto()  # `paging.next`, one cursor for all pages, and reports of pages that never end
    DISCOVERY = auto()  # cursors and never `next`; the account says how many posts it has


@dataclass(frozen=True, slots=True)
class Page:
    """One answer: the account's fields where the call asks for them, and its media edge."""

    account: Mapping[str, object] | None
    media: object
    usage: Usage


@dataclass
class Pages:
    """What has been gathered so far, and where to go on: at `cursor`, None when there is nothing more to ask for.

    `limit`: posts a page. `calls`: made so far, successful or not. `broke_off`: there is more, and no way to it.
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
        """Raises UnexpectedPayload for what is no page."""
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
        has_more = after is not None if self.edge is Edge.DISCOVERY else _has_next(paging)
        self.cursor = None
        if not has_more or self._is_complete():
            return
        # A cursor goes into an expression: one that could change the expression cannot be used.
        usable = isinstance(after, str) and _CURSOR.fullmatch(after) is not None
        if usable and not self._leads_nowhere(items, new_ids):
            self.cursor = str(after)
        else:
            self.break_off()

    def break_off(self) -> None:
        """Go no further. A tag's pages may go round for ever, so that only the other edges are known to have more."""
        self.cursor = None
        match self.edge:
            case Edge.OWN_MEDIA:
                self.broke_off = True
            case Edge.DISCOVERY:
                self.broke_off = self._media_count() is not None

    def ask_for_less(self) -> bool:
        """Halve the number of posts a page, down to ten; False when it is that small already."""
        if self.limit <= SMALLEST_LIMIT:
            return False
        self.limit = max(self.limit // 2, SMALLEST_LIMIT)
        return True

    def as_feed(self, later_page_error: ProviderError | None = None) -> RawFeed:
        if later_page_error is None and self.broke_off:
            later_page_error = UnexpectedPayload("the paging led nowhere before its end")
        return RawFeed(tuple(self.media), self.profile, later_page_error, self.usage)

    def _leads_nowhere(self, items: list[object], new_ids: set[str]) -> bool:
        """A page of nothing but known posts is a loop. Where no `next` says so, two empty pages are no way on."""
        if items:
            return not new_ids
        return self.edge is Edge.DISCOVERY and self.empty_pages >= MAX_EMPTY_PAGES

    def _is_complete(self) -> bool:
        """All that was asked for, or all there is, as far as the account says it."""
        total = self._media_count()
        return len(self.ids) >= self.max_posts or (total is not None and len(self.ids) >= total)

    def _media_count(self) -> int | None:
        total = self.profile.get("media_count") if self.profile else None
        return total if isinstance(total, int) else None


def items_and_paging(media: object) -> tuple[list[object], Mapping[str, object]]:
    """The media of one page and its `paging`. Raises UnexpectedPayload for what is no page."""
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
