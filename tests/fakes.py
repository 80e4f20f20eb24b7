"""Fakes of the provider, the logins, the flight board and the dispatcher."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from paris_integration.errors import LoginFailed, ProviderError, RateLimited, SourceNotFound
from paris_integration.providers.base import FeedRequest, HashtagRequest, RawFeed, Usage
from paris_integration.providers.deadlines import Deadline
from paris_integration.providers.oauth import Account, LoginResult, Token
from paris_integration.types import Login, Secret
from paris_integration.waiting import Wait


def media(number: int, **changes: Any) -> dict[str, Any]:
    """A raw image post. Higher numbers are older posts. A value of None removes the field."""
    raw = {
        "id": f"1790000000000{number:04d}",
        "caption": f"Post {number}",
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "media_url": f"https://scontent.cdninstagram.com/v/{number}.jpg",
        "permalink": f"https://www.instagram.com/p/A{number}/",
        "timestamp": f"2026-11-{20 - number // 24:02d}T{23 - number % 24:02d}:00:00+0000",
    }
    return {name: value for name, value in (raw | changes).items() if value is not None}


def video(number: int, **changes: Any) -> dict[str, Any]:
    file = {
        "media_type": "VIDEO",
        "media_product_type": "REELS",
        "media_url": f"https://video.cdninstagram.com/v/{number}.mp4",
        "thumbnail_url": f"https://scontent.cdninstagram.com/v/{number}.jpg",
        "permalink": f"https://www.instagram.com/reel/A{number}/",
    }
    return media(number, **(file | changes))


class FakeProvider:
    """A provider with a few accounts. `.calls` lists the requested usernames in order."""

    def __init__(self) -> None:
        self.accounts: dict[str, list[Any]] = {"acme.bakery": [media(n) for n in range(3)]}
        self.calls: list[str] = []
        self.tokens: list[str] = []
        self.requests: list[FeedRequest] = []
        self.deadlines: list[Deadline | None] = []
        self.tags: dict[str, str] = {}
        self.profile: Mapping[str, object] = {}
        self.tag_calls: list[str] = []
        self.recent_searches: tuple[str, ...] = ()
        self.later_page_error: ProviderError | None = None
        self.usage = Usage()
        self._error: ProviderError | None = None
        self.fault_for: Callable[[FeedRequest], ProviderError | None] = lambda _: None
        self.during_call: Callable[[], None] = lambda: None

    def raises(self, error: ProviderError) -> None:
        self._error = error

    def rate_limits(self, seconds: float | None) -> None:
        limited = RateLimited(code=4)
        limited.retry_after_seconds = seconds
        self._error = limited

    def recovers(self) -> None:
        self._error = None
        self.later_page_error = None

    def fetch(self, request: FeedRequest, *, max_posts: int, deadline: Deadline | None = None) -> RawFeed:
        self.requests.append(request)
        self.deadlines.append(deadline)
        self.tokens.append(request.token.reveal())
        if isinstance(request, HashtagRequest):
            self.during_call()
            self._raise_fault(request)
            return RawFeed(media=tuple(media(n) for n in range(3)), usage=self.usage, is_recent_only=True)
        self.calls.append(request.username)
        self.during_call()
        self._raise_fault(request)
        if request.username not in self.accounts:
            raise SourceNotFound(code=110, subcode=2207013, status=400)
        profile: Mapping[str, object] = {"username": request.username, **self.profile}
        items = tuple(self.accounts[request.username][:max_posts])
        return RawFeed(media=items, profile=profile, later_page_error=self.later_page_error, usage=self.usage)

    def find_hashtag_id(
        self, asking_ig_user_id: str, tag: str, token: Secret, *, deadline: Deadline | None = None
    ) -> str:
        self.tag_calls.append(tag)
        self.deadlines.append(deadline)
        self._raise_fault()
        if tag not in self.tags:
            raise SourceNotFound(code=24)
        return self.tags[tag]

    def recently_searched(self, asking_ig_user_id: str, token: Secret) -> tuple[str, ...]:
        return self.recent_searches

    def _raise_fault(self, request: FeedRequest | None = None) -> None:
        if self._error is not None:
            raise self._error
        fault = self.fault_for(request) if request is not None else None
        if fault is not None:
            raise fault


class InlineBoard:
    """A flight board without threads. `.wait` overrides how the wait ends."""

    def __init__(self) -> None:
        self.wait: Wait | None = None

    def wait_for(
        self, flight_key: Hashable, job: Callable[[], Any], *, timeout_seconds: float
    ) -> tuple[Wait, Any]:
        if self.wait is not None:
            return self.wait, None
        return Wait.LANDED, job()


class RecordingDispatcher:
    def __init__(self) -> None:
        self.feed_ids: list[UUID] = []
        self.copied_ids: list[UUID] = []

    def request_refresh(self, feed_id: UUID) -> None:
        self.feed_ids.append(feed_id)

    def request_copies(self, feed_id: UUID) -> None:
        self.copied_ids.append(feed_id)


class FakeLogins:
    """Both logins without Meta. Each code works once, except "bad". A login returns `.accounts`."""

    def __init__(self) -> None:
        self.accounts = (Account("17841400000000001", "acme.bakery"),)
        self.exchanges: list[tuple[Login, str, str]] = []
        self.revoked: list[str] = []
        self.renewals: list[str] = []
        self.failure: LoginFailed | None = None
        self.renewal_error: ProviderError | None = None
        self.lasts: timedelta | None = timedelta(days=60)  # None: the tokens never expire
        self.during_exchange: Callable[[], object] = lambda: None
        self.during_renewal: Callable[[], object] = lambda: None
        self.during_revocation: Callable[[], object] = lambda: None

    def offers(self, login: Login) -> bool:
        return True

    def authorize_url(self, login: Login, *, state: str, redirect_uri: str) -> str:
        query = urlencode({"state": state, "redirect_uri": redirect_uri})
        return f"https://{login}.example/authorize?{query}"

    def exchange(self, login: Login, *, code: str, redirect_uri: str, now: datetime) -> LoginResult:
        self.exchanges.append((login, code, redirect_uri))
        if self.failure is not None:
            raise self.failure
        if code == "bad" or [used for _, used, _ in self.exchanges].count(code) > 1:
            raise LoginFailed("EXCHANGE_FAILED")
        self.during_exchange()
        token = self._token(f"token-for-{code}", now)
        return LoginResult(token, "28970000000000001", self.accounts, ("instagram_business_basic",))

    def renew(self, login: Login, token: Secret, *, now: datetime) -> Token:
        self.renewals.append(token.reveal())
        self.during_renewal()
        if self.renewal_error is not None:
            raise self.renewal_error
        return self._token(f"renewed-{len(self.renewals)}", now)

    def revoke(self, login: Login, token: Secret) -> None:
        self.during_revocation()
        self.revoked.append(token.reveal())

    def _token(self, text: str, now: datetime) -> Token:
        ends_at = now + self.lasts if self.lasts is not None else None
        return Token(Secret(text), ends_at, never_expires=ends_at is None)
