"""Meta's Graph API: endpoints and fields. Raw pages out; paging is paging.py's, understanding them normalize's."""

from __future__ import annotations

import hashlib
import hmac
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace

from paris_integration.errors import ProviderError, SourceNotFound, UnexpectedPayload
from paris_integration.providers.base import (
    DiscoveryRequest,
    FeedRequest,
    HashtagRequest,
    OwnMediaRequest,
    RawFeed,
    Usage,
)
from paris_integration.providers.faults import fault_of, hashtag_fault_of, tag_search_fault_of
from paris_integration.providers.http import Deadline, HttpAnswer, HttpClient
from paris_integration.providers.paging import NO_MEDIA, Edge, Page, Pages, items_and_paging
from paris_integration.secret import Secret
from paris_integration.types import Login

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

# What hashtag edges give out ("Hashtag search", 2024-01-26): no author, no thumbnail, no alternative text.
HASHTAG_FIELDS = ("id", "caption", "media_type", "media_url", "permalink", "timestamp")
HASHTAG_CHILD_FIELDS = ("id", "media_type", "media_url")

PAGE_POSTS = 50
_USERNAME = re.compile(r"[a-z0-9._]{1,30}", re.ASCII)
_NODE_ID = re.compile(r"[0-9]{1,30}", re.ASCII)


class GraphProvider:
    """Reads sources at Meta. `timeout_seconds` bounds a whole fetch, all its pages together."""

    def __init__(
        self,
        http: HttpClient,
        *,
        facebook_graph_url: str,
        instagram_graph_url: str,
        version: str,
        timeout_seconds: float,
        app_secret: Secret | None = None,
        page_posts: int = PAGE_POSTS,
    ) -> None:
        self._http = http
        self._facebook_url = f"{facebook_graph_url}/{version}"
        self._instagram_url = f"{instagram_graph_url}/{version}"
        self._timeout_seconds = timeout_seconds
        self._app_secret = app_secret
        self._page_posts = page_posts
        self._refused_fields: set[tuple[type[FeedRequest], str]] = set()
        self._lock = threading.Lock()

    def fetch(self, request: FeedRequest, *, max_posts: int) -> RawFeed:
        """Up to `max_posts` media, over as many pages as it takes.

        Raises ProviderError and its kin when the first page fails; a later page's failure ends the paging and is
        returned. SourceNotFound covers unknown, personal and age-gated accounts, which Meta answers alike.
        Sources: "Business Discovery" (2026-08-12), "IG User media" (2026-09), "Hashtag recent media" (2024-01-26).
        """
        deadline = Deadline(self._timeout_seconds)
        match request:
            case DiscoveryRequest():
                return self._gather(
                    request, self._pages(Edge.DISCOVERY, max_posts), self._ask_discovery, deadline
                )
            case OwnMediaRequest():
                return self._gather(
                    request, self._pages(Edge.OWN_MEDIA, max_posts), self._ask_own_media, deadline
                )
            case HashtagRequest():
                return self._fetch_hashtag(request, max_posts, deadline)

    def find_hashtag_id(self, asking_ig_user_id: str, tag: str, token: Secret) -> str:
        """Meta's number for a tag; static and the same for all accounts. A search counts against 30 in 7 days.

        Source: "Hashtag search" (2024-01-26). Raises SourceNotFound for an unknown or blocked tag.
        """
        params = {"user_id": asking_ig_user_id, "q": tag}
        answer = self._get(f"{self._facebook_url}/ig_hashtag_search", params, token, Login.FACEBOOK)
        fault = tag_search_fault_of(answer)
        if fault is not None:
            raise fault
        found = answer.payload.get("data", answer.payload) if isinstance(answer.payload, dict) else None
        first = found[0] if isinstance(found, list) and found else found
        hashtag_id = first.get("id") if isinstance(first, dict) else None
        if first in (None, []):
            raise SourceNotFound("no such tag", status=answer.status)
        if not isinstance(hashtag_id, str | int) or not str(hashtag_id).isdecimal():
            raise UnexpectedPayload("no tag id", status=answer.status)
        return str(hashtag_id)

    def recently_searched(self, asking_ig_user_id: str, token: Secret) -> tuple[str, ...]:
        """The numbers of the tags the account searched in the last 7 days. Source: "recently_searched_hashtags"."""
        url = f"{self._facebook_url}/{_node(asking_ig_user_id)}/recently_searched_hashtags"
        answer = self._get(url, {"limit": "30"}, token, Login.FACEBOOK)
        fault = hashtag_fault_of(answer)
        if fault is not None:
            raise fault
        items, _ = items_and_paging(answer.payload)
        return tuple(str(item["id"]) for item in items if isinstance(item, dict) and "id" in item)

    def _fetch_hashtag(self, request: HashtagRequest, max_posts: int, deadline: Deadline) -> RawFeed:
        """The last day's posts; the most popular ones when there are none."""
        recent = self._gather(
            request, self._pages(Edge.HASHTAG, max_posts), self._ask_hashtag("recent_media"), deadline
        )
        if recent.media:
            return replace(recent, is_recent_only=True)
        if recent.later_page_error is not None:
            raise recent.later_page_error
        return self._gather(
            request, self._pages(Edge.HASHTAG, max_posts), self._ask_hashtag("top_media"), deadline
        )

    def _pages(self, edge: Edge, max_posts: int) -> Pages:
        return Pages(edge, max_posts, limit=min(self._page_posts, max_posts))

    def _gather(self, request: FeedRequest, pages: Pages, ask: _Ask, deadline: Deadline) -> RawFeed:
        pages.add(self._page(request, pages, ask, deadline))
        while pages.cursor is not None:
            if not pages.may_call:
                pages.break_off()
                break
            try:
                pages.add(self._page(request, pages, ask, deadline))
            except ProviderError as error:
                return pages.as_feed(later_page_error=error)
        return pages.as_feed()

    def _page(self, request: FeedRequest, pages: Pages, ask: _Ask, deadline: Deadline) -> Page:
        """One page; when an optional field is refused by name (code 100), the call is repeated once without it."""
        pages.calls += 1
        try:
            return ask(request, pages, deadline)
        except ProviderError as error:
            if not self._drop_refused_field(type(request), error):
                raise
        return ask(request, pages, deadline)

    def _ask_discovery(self, request: FeedRequest, pages: Pages, deadline: Deadline) -> Page:
        assert isinstance(request, DiscoveryRequest)  # noqa: S101 - chosen by type just before
        if not _USERNAME.fullmatch(request.username):
            raise ValueError("not a normalised username")
        after = f".after({pages.cursor})" if pages.cursor else ""
        account = ",".join(self._asked(request, PROFILE_FIELDS))
        media = f"media.limit({pages.limit}){after}{{{self._media_fields(request)}}}"
        fields = f"business_discovery.username({request.username}){{{account},{media}}}"
        url = f"{self._facebook_url}/{_node(request.asking_ig_user_id)}"
        payload, usage = self._payload(url, {"fields": fields}, request.token, Login.FACEBOOK, deadline)
        found = payload.get("business_discovery")
        if not isinstance(found, dict):
            raise UnexpectedPayload("no business_discovery object")
        # An account may show no media at all. On a later page, absent media are not the end but a failure.
        absent = NO_MEDIA if pages.cursor is None else None
        return Page(found, found.get("media", absent), usage)

    def _ask_own_media(self, request: FeedRequest, pages: Pages, deadline: Deadline) -> Page:
        assert isinstance(request, OwnMediaRequest)  # noqa: S101 - chosen by type just before
        host = self._instagram_url if request.login is Login.INSTAGRAM else self._facebook_url
        params = {"fields": self._media_fields(request), "limit": str(pages.limit)}
        if pages.cursor:
            params["after"] = pages.cursor
        url = f"{host}/{_node(request.account_id)}/media"
        payload, usage = self._payload(url, params, request.token, request.login, deadline)
        # The account is the token's own: its name is known, and no call is spent on asking for it.
        return Page({"username": request.username}, payload, usage)

    def _ask_hashtag(self, edge: str) -> _Ask:
        def ask(request: FeedRequest, pages: Pages, deadline: Deadline) -> Page:
            assert isinstance(request, HashtagRequest)  # noqa: S101 - chosen by type just before
            params = {
                "user_id": request.asking_ig_user_id,
                "fields": self._media_fields(request, HASHTAG_FIELDS, HASHTAG_CHILD_FIELDS),
                "limit": str(pages.limit),
            }
            if pages.cursor:
                params["after"] = pages.cursor
            url = f"{self._facebook_url}/{_node(request.hashtag_id)}/{edge}"
            payload, usage = self._payload(
                url, params, request.token, Login.FACEBOOK, deadline, hashtag_fault_of
            )
            return Page(None, payload, usage)

        return ask

    def _payload(
        self,
        url: str,
        params: dict[str, str],
        token: Secret,
        login: Login,
        deadline: Deadline,
        fault_in: Callable[[HttpAnswer], ProviderError | None] = fault_of,
    ) -> tuple[Mapping[str, object], Usage]:
        answer = self._get(url, params, token, login, deadline)
        fault = fault_in(answer)
        if fault is not None:
            raise fault
        if not isinstance(answer.payload, dict):
            raise UnexpectedPayload("no object", status=answer.status)
        return answer.payload, answer.usage

    def _get(
        self, url: str, params: dict[str, str], token: Secret, login: Login, deadline: Deadline | None = None
    ) -> HttpAnswer:
        # The proof is documented for graph.facebook.com alone, and graph.instagram.com refuses one it does not like.
        if self._app_secret is not None and login is Login.FACEBOOK:
            params = params | {"appsecret_proof": appsecret_proof(token, self._app_secret)}
        return self._http.get_json(
            url, params=params, token=token, deadline=deadline or Deadline(self._timeout_seconds)
        )

    def _media_fields(
        self,
        request: FeedRequest,
        fields: tuple[str, ...] = MEDIA_FIELDS,
        child_fields: tuple[str, ...] = CHILD_FIELDS,
    ) -> str:
        asked = self._asked(request, (*fields, "children"))
        children = f"children{{{','.join(self._asked(request, child_fields))}}}"
        return ",".join(children if name == "children" else name for name in asked)

    def _asked(self, request: FeedRequest, fields: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in fields if (type(request), name) not in self._refused_fields)

    def _drop_refused_field(self, kind: type[FeedRequest], error: ProviderError) -> bool:
        """Leave out, for this kind of request from now on, an optional field that Meta has just refused by name."""
        name = error.rejected_field
        known = {*MEDIA_FIELDS, *CHILD_FIELDS, *PROFILE_FIELDS, *HASHTAG_FIELDS, "children"}
        with self._lock:
            if name is None or name not in known - REQUIRED_FIELDS or (kind, name) in self._refused_fields:
                return False
            self._refused_fields.add((kind, name))
        logger.warning("the provider refuses the field %s to %s: going on without it", name, kind.__name__)
        return True


_Ask = Callable[[FeedRequest, Pages, Deadline], Page]


def _node(node_id: str) -> str:
    """A node's id, fit for a path. Raises ValueError."""
    if not _NODE_ID.fullmatch(node_id):
        raise ValueError("not a node id")
    return node_id


def appsecret_proof(token: Secret, app_secret: Secret) -> str:
    """Proves to graph.facebook.com that the caller knows the app's secret.

    Source: Graph API "Secure requests": hex HMAC-SHA256 of the token, keyed by the app secret.
    """
    return hmac.new(app_secret.reveal().encode(), token.reveal().encode(), hashlib.sha256).hexdigest()
