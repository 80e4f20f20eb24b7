"""The endpoints of Meta's Graph API. Returns raw pages, which `normalize` turns into posts."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from paris_integration.errors import ProviderError, ProviderUnavailable, SourceNotFound, UnexpectedPayload
from paris_integration.providers.base import (
    DiscoveryRequest,
    FeedRequest,
    HashtagRequest,
    OwnMediaRequest,
    RawFeed,
    Usage,
)
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.faults import fault_of, hashtag_fault_of, tag_search_fault_of
from paris_integration.providers.fields import (
    DISCOVERY,
    HASHTAG,
    OWN_MEDIA,
    Fields,
    Kind,
    Level,
    RefusedFields,
)
from paris_integration.providers.http import HttpAnswer, HttpClient
from paris_integration.providers.paging import NO_MEDIA, Edge, Page, Pages, items_and_paging
from paris_integration.types import Login, Secret

PAGE_POSTS = 50
_USERNAME = re.compile(r"[a-z0-9._]{1,30}", re.ASCII)
_NODE_ID = re.compile(r"[0-9]{1,30}", re.ASCII)


class GraphProvider:
    """Reads sources from Meta. `timeout_seconds` limits a call without a deadline; a fetch counts with all pages."""

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
        self._refused_fields = RefusedFields()

    def fetch(self, request: FeedRequest, *, max_posts: int, deadline: Deadline | None = None) -> RawFeed:
        """Up to `max_posts` media, over several pages if needed.

        Raises a ProviderError if the first page fails; the error of a later page ends the paging and is returned.
        SourceNotFound covers unknown, personal and age-gated accounts: Meta's answer is the same for all three.
        Sources: "Business Discovery" (2026-08-12), "IG User media" (2026-09), "Hashtag recent media" (2024-01-26).
        """
        deadline = deadline or Deadline(self._timeout_seconds)
        match request:
            case DiscoveryRequest():
                return self._gather(request, Edge.DISCOVERY, max_posts, self._ask_discovery, deadline)
            case OwnMediaRequest():
                return self._gather(request, Edge.OWN_MEDIA, max_posts, self._ask_own_media, deadline)
            case HashtagRequest():
                return self._fetch_hashtag(request, max_posts, deadline)

    def find_hashtag_id(
        self, asking_ig_user_id: str, tag: str, token: Secret, *, deadline: Deadline | None = None
    ) -> str:
        """Meta's number for a hashtag, the same for all accounts. Each search counts towards 30 in 7 days.

        Raises SourceNotFound for an unknown or blocked hashtag. Source: "Hashtag search" (2024-01-26).
        """
        params = {"user_id": asking_ig_user_id, "q": tag}
        answer = self._get(f"{self._facebook_url}/ig_hashtag_search", params, token, Login.FACEBOOK, deadline)
        fault = tag_search_fault_of(answer)
        if fault is not None:
            raise fault
        # Accepts the number in a list under `data`, and a bare object.
        found = answer.payload.get("data", answer.payload) if isinstance(answer.payload, dict) else None
        first = found[0] if isinstance(found, list) and found else found
        hashtag_id = first.get("id") if isinstance(first, dict) else None
        if first in (None, []):
            raise SourceNotFound("no such tag", status=answer.status)
        if not isinstance(hashtag_id, str | int) or not _NODE_ID.fullmatch(str(hashtag_id)):
            raise UnexpectedPayload("no tag id", status=answer.status)
        return str(hashtag_id)

    def recently_searched(self, asking_ig_user_id: str, token: Secret) -> tuple[str, ...]:
        """The numbers of the hashtags searched in the last 7 days. Source: "recently_searched_hashtags"."""
        url = f"{self._facebook_url}/{_node(asking_ig_user_id)}/recently_searched_hashtags"
        # 30 is all that Meta allows in 7 days, so one page holds them all.
        answer = self._get(url, {"limit": "30"}, token, Login.FACEBOOK)
        fault = hashtag_fault_of(answer)
        if fault is not None:
            raise fault
        items, _ = items_and_paging(answer.payload)
        numbers = (str(item.get("id")) for item in items if isinstance(item, dict))
        return tuple(number for number in numbers if _NODE_ID.fullmatch(number))

    def _fetch_hashtag(self, request: HashtagRequest, max_posts: int, deadline: Deadline) -> RawFeed:
        """The posts of the last day, or the most popular ones if there are none."""
        recent = self._gather(request, Edge.HASHTAG, max_posts, self._ask_hashtag("recent_media"), deadline)
        if recent.media:
            return replace(recent, is_recent_only=True)
        if recent.later_page_error is not None:
            raise recent.later_page_error
        return self._gather(request, Edge.HASHTAG, max_posts, self._ask_hashtag("top_media"), deadline)

    def _gather(
        self, request: FeedRequest, edge: Edge, max_posts: int, ask: _Ask, deadline: Deadline
    ) -> RawFeed:
        pages = Pages(edge, max_posts, limit=min(self._page_posts, max_posts))
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
        """One page. If Meta refuses a field or the amount of data, tries again with less, up to the limit of calls."""
        kind, fields = _kind_and_fields(request)
        while True:
            asked = self._refused_fields.without(kind, fields)
            pages.calls += 1
            try:
                return ask(request, pages, asked, deadline)
            except ProviderError as error:
                can_retry = _is_too_much_data(error) and pages.ask_for_less()
                if error.rejected_field is not None:
                    name = error.rejected_field
                    can_retry = self._refused_fields.refuse(kind, name, asked=asked, fields=fields)
                if not (can_retry and pages.may_call):
                    raise

    def _ask_discovery(self, request: FeedRequest, pages: Pages, asked: Fields, deadline: Deadline) -> Page:
        assert isinstance(request, DiscoveryRequest)  # noqa: S101 - chosen by type just before
        if not _USERNAME.fullmatch(request.username):
            raise ValueError("not a normalised username")
        after = f".after({pages.cursor})" if pages.cursor else ""
        account = ",".join(asked[Level.ACCOUNT])
        media = f"media.limit({pages.limit}){after}{{{_media_fields(asked)}}}"
        fields = f"business_discovery.username({request.username}){{{account},{media}}}"
        url = f"{self._facebook_url}/{_node(request.asking_ig_user_id)}"
        payload, usage = self._payload(url, {"fields": fields}, request.token, Login.FACEBOOK, deadline)
        found = payload.get("business_discovery")
        if not isinstance(found, dict):
            raise UnexpectedPayload("no business_discovery object")
        # `media` may be missing for an account without posts. On a later page a missing `media` is an error.
        absent = NO_MEDIA if pages.cursor is None else None
        return Page(found, found.get("media", absent), usage)

    def _ask_own_media(self, request: FeedRequest, pages: Pages, asked: Fields, deadline: Deadline) -> Page:
        assert isinstance(request, OwnMediaRequest)  # noqa: S101 - chosen by type just before
        host = self._instagram_url if request.login is Login.INSTAGRAM else self._facebook_url
        params = {"fields": _media_fields(asked), "limit": str(pages.limit)}
        if pages.cursor:
            params["after"] = pages.cursor
        url = f"{host}/{_node(request.account_id)}/media"
        payload, usage = self._payload(url, params, request.token, request.login, deadline)
        # The token's own account: its name is known, so no call is needed for the profile.
        return Page({"username": request.username}, payload, usage)

    def _ask_hashtag(self, edge: str) -> _Ask:
        def ask(request: FeedRequest, pages: Pages, asked: Fields, deadline: Deadline) -> Page:
            assert isinstance(request, HashtagRequest)  # noqa: S101 - chosen by type just before
            params = {
                "user_id": request.asking_ig_user_id,
                "fields": _media_fields(asked),
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
        # The proof is documented for graph.facebook.com only; graph.instagram.com refuses a proof it doesn't accept.
        if self._app_secret is not None and login is Login.FACEBOOK:
            params = params | {"appsecret_proof": appsecret_proof(token, self._app_secret)}
        return self._http.get_json(
            url, params=params, token=token, deadline=deadline or Deadline(self._timeout_seconds)
        )


_Ask = Callable[[FeedRequest, Pages, Fields, Deadline], Page]


def _kind_and_fields(request: FeedRequest) -> tuple[Kind, Fields]:
    match request:
        case OwnMediaRequest():
            return (request.login, "own media"), OWN_MEDIA
        case DiscoveryRequest():
            return (Login.FACEBOOK, "discovery"), DISCOVERY
        case HashtagRequest():
            return (Login.FACEBOOK, "hashtag"), HASHTAG


def _is_too_much_data(error: ProviderError) -> bool:
    """Whether the error may mean "reduce the amount of data" (Graph API "Handle errors", 2026)."""
    # Every code 1 counts: there is no subcode, and the text is in the language of the token's owner.
    return isinstance(error, ProviderUnavailable) and error.code == 1


def _media_fields(asked: Fields) -> str:
    children = f"children{{{','.join(asked[Level.CHILD])}}}"
    return ",".join(children if name == "children" else name for name in asked[Level.POST])


def _node(node_id: str) -> str:
    """The node's id, checked to be safe in a URL path. Raises ValueError."""
    if not _NODE_ID.fullmatch(node_id):
        raise ValueError("not a node id")
    return node_id


def appsecret_proof(token: Secret, app_secret: Secret) -> str:
    """Hex HMAC-SHA256 of the token, keyed with the app secret. Source: Graph API "Secure requests"."""
    return hmac.new(app_secret.reveal().encode(), token.reveal().encode(), hashlib.sha256).hexdigest()
