"""What a provider is: values in, values out. No ORM, cache, Celery or request below this line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from paris_integration.errors import ProviderError
from paris_integration.types import Login, Secret


@dataclass(frozen=True, slots=True)
class Usage:
    """Rate-limit headers of one answer: highest percentage seen, and minutes until access returns (0 = not blocked)."""

    percent: float = 0.0
    regain_minutes: float = 0.0


@dataclass(frozen=True, slots=True)
class DiscoveryRequest:
    """Another professional account's posts, asked for by the account `asking_ig_user_id` (Business Discovery)."""

    asking_ig_user_id: str
    username: str
    token: Secret


@dataclass(frozen=True, slots=True)
class OwnMediaRequest:
    """The posts of the account that granted the token, asked for at the host of its login family."""

    login: Login
    account_id: str
    username: str
    token: Secret


@dataclass(frozen=True, slots=True)
class HashtagRequest:
    """A tag's posts, searched by the account `asking_ig_user_id`. `hashtag_id`: Meta's number for the tag."""

    asking_ig_user_id: str
    hashtag_id: str
    token: Secret


FeedRequest = DiscoveryRequest | OwnMediaRequest | HashtagRequest


@dataclass(frozen=True, slots=True)
class RawFeed:
    """Pages of one source as the provider sent them, not yet understood.

    `media`: raw media objects in the provider's order, over all pages. `profile`: raw account fields, or None.
    `later_page_error`: what ended the paging early after at least one good page; None when it ended by itself.
    `usage`: the highest usage seen over the pages. `is_recent_only`: a tag's posts of the last day, and no others.
    """

    media: tuple[object, ...]
    profile: Mapping[str, object] | None = None
    later_page_error: ProviderError | None = None
    usage: Usage = field(default_factory=Usage)
    is_recent_only: bool = False


class Provider(Protocol):
    """Reads sources at Meta. Every call ends within the total deadline given at construction."""

    def fetch(self, request: FeedRequest, *, max_posts: int) -> RawFeed:
        """Up to `max_posts` media. Raises ProviderError and its kin."""
        ...

    def find_hashtag_id(self, asking_ig_user_id: str, tag: str, token: Secret) -> str:
        """Meta's number for a tag, the same for ever. Raises ProviderError and its kin, SourceNotFound for no tag."""
        ...

    def recently_searched(self, asking_ig_user_id: str, token: Secret) -> tuple[str, ...]:
        """The numbers of the tags this account searched in the last 7 days, as Meta counts them."""
        ...
