"""Meta's Graph API: endpoints, fields and paging. Raw pages out; understanding them is normalize's.

Page addresses are built here from cursors. The provider's `paging.next` is never followed: it is an address of its
choosing with the token in it.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from paris_integration.errors import ProviderError, UnexpectedPayload
from paris_integration.providers.base import DiscoveryRequest, RawFeed, Secret, Usage
from paris_integration.providers.faults import fault_of
from paris_integration.providers.http import Deadline, HttpClient

logger = logging.getLogger(__name__)

# IG Media and IG User reference (2026-06-22) and Business Discovery (2026-08-12): what may be read by expansion.
# profile_picture_url carries no "public" mark, but came back on v26.0 (August 2026).
MEDIA_FIELDS = (
    "id",
    "caption",
    "media_type",
    "media_product_type",
    "media_url",
    "thumbnail_url",
    "permalink",
    "timestamp",
    "username",
    "alt_text",
    "is_shared_to_feed",
)
CHILD_FIELDS = ("id", "media_type", "media_url", "thumbnail_url")
PROFILE_FIELDS = ("username", "profile_picture_url", "media_count")
REQUIRED_FIELDS = {"id", "media_type", "username"}

PAGE_POSTS = 50
MAX_PAGES = 20
MAX_EMPTY_PAGES = 2
_USERNAME = re.compile(r"[a-z0-9._]{1,30}", re.ASCII)
_CURSOR = re.compile(r"[A-Za-z0-9_=.|~+/%-]{1,500}", re.ASCII)


@dataclass
class _Pages:
    """What has been gathered so far, and when to stop."""

    max_posts: int
    media: list[object] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    profile: Mapping[str, object] | None = None
    usage: Usage = field(default_factory=Usage)
    empty_pages: int = 0
    cursor: str | None = None
    went_nowhere: bool = False

    def add(self, account: Mapping[str, object], usage: Usage) -> None:
        if self.profile is None:
            self.profile = account
        self.usage = Usage(
            max(self.usage.percent, usage.percent), max(self.usage.regain_minutes, usage.regain_minutes)
        )
        items, cursor = _page_of(account)
        new_ids = {str(item["id"]) for item in items if isinstance(item, dict) and "id" in item} - self.ids
        self.ids |= new_ids
        self.media += items
        self.empty_pages = 0 if items else self.empty_pages + 1
        # Pages may come empty in the middle (privacy filtering); a page of nothing but known posts is a loop.
        goes_nowhere = (bool(items) and not new_ids) or self.empty_pages >= MAX_EMPTY_PAGES
        self.went_nowhere = goes_nowhere and cursor is not None and self._is_known_to_go_on()
        self.cursor = None if goes_nowhere or self._is_complete() else cursor

    def _is_complete(self) -> bool:
        """All that was asked for, or all there is: discovery sends no `next`, but says how many posts there are."""
        total = self._media_count()
        return len(self.ids) >= self.max_posts or (total is not None and len(self.ids) >= total)

    def _is_known_to_go_on(self) -> bool:
        return self._media_count() is not None and not self._is_complete()

    def _media_count(self) -> int | None:
        total = self.profile.get("media_count") if self.profile else None
        return total if isinstance(total, int) else None

    def as_feed(self, later_page_error: ProviderError | None = None) -> RawFeed:
        if later_page_error is None and self.went_nowhere:
            later_page_error = UnexpectedPayload("the paging led nowhere before its end")
        return RawFeed(tuple(self.media), self.profile, later_page_error, self.usage)


class GraphProvider:
    """Reads sources at Meta. `timeout_seconds` bounds a whole fetch, all its pages together."""

    def __init__(
        self,
        http: HttpClient,
        *,
        facebook_graph_url: str,
        version: str,
        timeout_seconds: float,
        app_secret: Secret | None = None,
        page_posts: int = PAGE_POSTS,
    ) -> None:
        self._http = http
        self._facebook_url = f"{facebook_graph_url}/{version}"
        self._timeout_seconds = timeout_seconds
        self._app_secret = app_secret
        self._page_posts = page_posts
        self._refused_fields: set[str] = set()
        self._lock = threading.Lock()

    def fetch_discovery(self, request: DiscoveryRequest, *, max_posts: int) -> RawFeed:
        """Up to `max_posts` media of the professional account `request.username`, over as many pages as it takes.

        Raises ProviderError and its kin when the first page fails; a later page's failure ends the paging and is
        returned. SourceNotFound covers unknown, personal and age-gated accounts, which Meta answers alike.
        Source: Instagram Platform, "Business Discovery" (2026-08-12).
        """
        if not _USERNAME.fullmatch(request.username):
            raise ValueError("not a normalised username")
        deadline = Deadline(self._timeout_seconds)
        pages = _Pages(max_posts)
        pages.add(*self._discovery_page(request, pages, deadline))
        for _ in range(MAX_PAGES - 1):
            if pages.cursor is None:
                break
            try:
                pages.add(*self._discovery_page(request, pages, deadline))
            except ProviderError as error:
                return pages.as_feed(later_page_error=error)
        return pages.as_feed()

    def _discovery_page(
        self, request: DiscoveryRequest, pages: _Pages, deadline: Deadline
    ) -> tuple[Mapping[str, object], Usage]:
        try:
            return self._ask_discovery(request, pages, deadline)
        except ProviderError as error:
            if not self._drop_refused_field(error):
                raise
        return self._ask_discovery(request, pages, deadline)

    def _ask_discovery(
        self, request: DiscoveryRequest, pages: _Pages, deadline: Deadline
    ) -> tuple[Mapping[str, object], Usage]:
        limit = min(self._page_posts, pages.max_posts)
        params = {"fields": self._discovery_fields(request.username, limit, pages.cursor)}
        if self._app_secret is not None:
            params["appsecret_proof"] = appsecret_proof(request.token, self._app_secret)
        url = f"{self._facebook_url}/{request.asking_ig_user_id}"
        answer = self._http.get_json(url, params=params, token=request.token, deadline=deadline)
        fault = fault_of(answer)
        if fault is not None:
            raise fault
        account = answer.payload.get("business_discovery") if isinstance(answer.payload, dict) else None
        if not isinstance(account, dict):
            raise UnexpectedPayload("no business_discovery object", status=answer.status)
        return account, answer.usage

    def _discovery_fields(self, username: str, limit: int, cursor: str | None) -> str:
        after = f".after({cursor})" if cursor else ""
        children = f"children{{{','.join(self._asked(CHILD_FIELDS))}}}"
        media = ",".join((*self._asked(MEDIA_FIELDS), children))
        account = ",".join(self._asked(PROFILE_FIELDS))
        return f"business_discovery.username({username}){{{account},media.limit({limit}){after}{{{media}}}}}"

    def _asked(self, fields: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in fields if name not in self._refused_fields)

    def _drop_refused_field(self, error: ProviderError) -> bool:
        """Leave out, from now on, an optional field that Meta has just refused by name (code 100)."""
        name = error.rejected_field
        optional = {*MEDIA_FIELDS, *CHILD_FIELDS, *PROFILE_FIELDS} - REQUIRED_FIELDS
        with self._lock:
            if name is None or name not in optional or name in self._refused_fields:
                return False
            self._refused_fields.add(name)
        logger.warning("the provider refuses the field %s: going on without it", name)
        return True


def appsecret_proof(token: Secret, app_secret: Secret) -> str:
    """Proves to graph.facebook.com that the caller knows the app's secret.

    Source: Graph API "Secure requests": hex HMAC-SHA256 of the token, keyed by the app secret.
    """
    return hmac.new(app_secret.reveal().encode(), token.reveal().encode(), hashlib.sha256).hexdigest()


def _page_of(account: Mapping[str, object]) -> tuple[list[object], str | None]:
    """The media of one page, and the cursor of the next. An account that shows no media has an empty page."""
    edge = account.get("media")
    if edge is None and "media" not in account:
        return [], None
    items = edge.get("data") if isinstance(edge, dict) else None
    if not isinstance(edge, dict) or not isinstance(items, list):
        raise UnexpectedPayload("media is not a page")
    paging = edge.get("paging")
    cursors = paging.get("cursors") if isinstance(paging, dict) else None
    cursor = cursors.get("after") if isinstance(cursors, dict) else None
    # A cursor goes into an expression: one that could change the expression ends the paging.
    usable = isinstance(cursor, str) and _CURSOR.fullmatch(cursor)
    return items, cursor if usable else None
