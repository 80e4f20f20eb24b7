"""The provider protocol, with its requests and results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from paris_integration.errors import ProviderError
from paris_integration.providers.deadlines import Deadline
from paris_integration.types import Login, Secret


@dataclass(frozen=True, slots=True)
class Usage:
    """Rate-limit headers of an answer: the highest percentage, and minutes until access returns (0: not blocked)."""

    percent: float = 0.0
    regain_minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """The posts of another professional account, requested by `asking_ig_user_id` (Business Discovery)."""

    asking_ig_user_id: str
    username: str
    token: Secret


@dataclass(frozen=True, slots=True)
class OwnMediaRequest:
    """The posts of the account that granted the token. `login` decides the host."""

    login: Login
    account_id: str
    username: str
    token: Secret


@dataclass(frozen=True, slots=True)
class HashtagRequest:
    """The posts of a hashtag, searched by `asking_ig_user_id`. `hashtag_id`: Meta's number for the hashtag."""

    asking_ig_user_id: str
    hashtag_id: str
    token: Secret


FeedRequest = DiscoveryRequest | OwnMediaRequest | HashtagRequest


@dataclass(frozen=True, slots=True)
class RawFeed:
    """The pages of one source as the provider sent them.

    `media`: raw media objects of all pages, in the provider's order. `profile`: raw account fields, or None.
    `later_page_error`: the error that ended the paging after at least one good page, or None. `usage`: the highest of
    all pages. `is_recent_only`: only posts of the last day (hashtags).
    """

    media: tuple[object, ...]
    profile: Mapping[str, object] | None = None
    later_page_error: ProviderError | None = None
    usage: Usage = field(default_factory=Usage)
    is_recent_only: bool = False


class Provider(Protocol):
    """Reads sources from Meta. Every call ends by its deadline, or within the timeout given at construction."""

    def fetch(self, request: FeedRequest, *, max_posts: int, deadline: Deadline | None = None) -> RawFeed:
        """Up to `max_posts` media. Raises ProviderError or a subclass."""
        ...

    def find_hashtag_id(
        self, asking_ig_user_id: str, tag: str, token: Secret, *, deadline: Deadline | None = None
    ) -> str:
        """Meta's number for a hashtag; it never changes. Raises SourceNotFound and other ProviderErrors."""
        ...

    def recently_searched(self, asking_ig_user_id: str, token: Secret) -> tuple[str, ...]:
        """The numbers of the hashtags that the account searched in the last 7 days, as Meta counts them."""
        ...
