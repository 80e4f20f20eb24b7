"""What a provider is: values in, values out. No ORM, cache, Celery or request below this line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from paris_integration.errors import ProviderError


class Secret:
    """A string that does not show itself: `repr`, `str` and formatting give a mask; `reveal()` gives the text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


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
class RawFeed:
    """Pages of one source as the provider sent them, not yet understood.

    `media`: raw media objects in the provider's order, over all pages. `profile`: raw account fields, or None.
    `later_page_error`: what ended the paging early after at least one good page; None when it ended by itself.
    `usage`: the highest usage seen over the pages.
    """

    media: tuple[object, ...]
    profile: Mapping[str, object] | None = None
    later_page_error: ProviderError | None = None
    usage: Usage = field(default_factory=Usage)


class Provider(Protocol):
    """Reads sources at Meta. Every call ends within the total deadline given at construction."""

    def fetch_discovery(self, request: DiscoveryRequest, *, max_posts: int) -> RawFeed:
        """Up to `max_posts` media of a professional account. Raises ProviderError and its kin."""
        ...
