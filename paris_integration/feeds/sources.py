"""Normalises and validates sources before they reach cache keys, quotas and the provider. Pure.

`parse_source` is strict: input is trimmed, stripped of one leading `@` or `#`, lower-cased, and then matched as a
whole. `read_source` also understands what people paste from Instagram.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import parse_qs, unquote, urlsplit

from paris_integration.types import Source, SourceType

# The username becomes part of a field expression in the provider's URL: this pattern also prevents injection there.
USERNAME = re.compile(r"(?!\.)(?!.*\.\.)(?!.*\.\Z)[a-z0-9._]{1,30}", re.ASCII)
TAG = re.compile(r"[a-z0-9_]{1,50}", re.ASCII)
TAG_UNICODE_LENGTH = 100
QUOTED_LENGTH = 60  # of what was typed, in messages
_INSTAGRAM_HOSTS = {"instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am", "www.instagr.am"}
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:(//|(?![0-9]))", re.ASCII | re.IGNORECASE)
_SINGLE_POSTS = {"p": "a post", "reel": "a reel", "tv": "a video"}
# First segments of paths that aren't usernames.
_RESERVED = frozenset(
    {
        "about", "accounts", "api", "ar", "challenge", "developer", "direct", "download", "emails", "explore",
        "graphql", "invites", "legal", "lite", "nametag", "notifications", "oauth", "popular", "press", "privacy",
        "reels", "session", "settings", "terms", "topics", "web", "your_activity",
    }
)  # fmt: skip
_WHAT_WORKS = "Enter an account such as @acme.bakery, a hashtag such as #bread, or the address of either."


class InvalidSource(ValueError):
    """`field`: sourceType or sourceValue. The message says what is allowed."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


def parse_source_type(text: str) -> SourceType:
    try:
        return SourceType(text)
    except ValueError:
        raise InvalidSource("sourceType", "Must be profile or hashtag.") from None


def parse_source(source_type: SourceType, text: str, *, unicode_tags: bool = False) -> Source:
    """The normalised source. Raises InvalidSource.

    `unicode_tags`: allow letters, marks and digits of every script, up to 100 characters.
    """
    # Meta publishes no grammar for usernames. The rules come from three third-party sources.
    if source_type is SourceType.PROFILE:
        value = text.strip().removeprefix("@").lower()
        if not (value.isascii() and USERNAME.fullmatch(value)):
            raise InvalidSource(
                "sourceValue",
                "Must be an Instagram username: 1 to 30 letters, digits, dots and underscores, "
                "without a dot at either end or two in a row.",
            )
        return Source(source_type, value)
    return Source(source_type, _parse_tag(text, unicode_tags=unicode_tags))


def read_source(source_type: SourceType, text: str, *, unicode_tags: bool = False) -> Source:
    """The source that a person typed or pasted: a name, @name, #tag, or any address of a profile or hashtag.

    `source_type` counts for a bare name; everything else says itself what it is. Raises InvalidSource with a message
    that repeats what was typed.
    """
    typed = "".join(character for character in text if unicodedata.category(character) != "Cf").strip()
    if typed[:1] in {"#", "＃"}:
        return _named(SourceType.HASHTAG, typed[1:], typed, unicode_tags=unicode_tags)
    if typed[:1] in {"@", "＠"} and "://" not in typed:
        return _named(SourceType.PROFILE, typed[1:].rstrip("/"), typed, unicode_tags=unicode_tags)
    if _is_address(typed):
        return _addressed(typed, unicode_tags=unicode_tags)
    return _named(source_type, typed, typed, unicode_tags=unicode_tags)


def _named(source_type: SourceType, name: str, typed: str, *, unicode_tags: bool) -> Source:
    try:
        return parse_source(source_type, name, unicode_tags=unicode_tags)
    except InvalidSource:
        pass
    if source_type is SourceType.PROFILE:
        raise _refusal(
            typed,
            "isn't an Instagram username. Usernames have 1 to 30 letters (a to z), digits, dots and underscores, "
            "without a dot at either end or two in a row.",
        )
    letters = "100 letters" if unicode_tags else "50 letters (a to z)"
    raise _refusal(
        typed,
        f"isn't a hashtag. Hashtags have 1 to {letters}, digits and underscores, without spaces or emoji.",
    )


def _is_address(typed: str) -> bool:
    """Usernames may contain dots, so a bare `shop.example` is a name. Instagram's own hosts aren't."""
    lower = typed.lower()
    return "/" in typed or lower.startswith("www.") or lower.partition("?")[0] in _INSTAGRAM_HOSTS


def _addressed(typed: str, *, unicode_tags: bool) -> Source:
    address = typed.removeprefix("//")
    if not _SCHEME.match(address):
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").rstrip(".")
    except ValueError:
        raise _refusal(typed, f"isn't a valid address. {_WHAT_WORKS}") from None
    if parts.scheme not in {"http", "https"} or not host:
        raise _refusal(typed, f"isn't the address of a web page. {_WHAT_WORKS}")
    if host not in _INSTAGRAM_HOSTS:
        raise _refusal(host, f"isn't Instagram. {_WHAT_WORKS}")
    segments = [unquote(segment) for segment in parts.path.split("/") if segment]
    return _at_path(segments, parts.query, typed, unicode_tags=unicode_tags)


def _at_path(segments: list[str], query: str, typed: str, *, unicode_tags: bool) -> Source:
    tag = _tag_at(segments, query)
    if tag is not None:
        return _named(SourceType.HASHTAG, tag, typed, unicode_tags=unicode_tags)
    if segments[:1] == ["_u"]:  # links that open the app
        segments = segments[1:]
    if not segments:
        raise _refusal(typed, f"is Instagram's start page. {_WHAT_WORKS}")
    first, second = segments[0].lower(), segments[1].lower() if len(segments) > 1 else ""
    if first == "share":
        raise _refusal(
            typed,
            f"is a share link, which doesn't contain a name. Open it and copy the profile's name. {_WHAT_WORKS}",
        )
    if first == "reels" and second and second != "audio":
        raise _refusal(typed, f"is the address of a reel. {_WHAT_WORKS}")
    if first in _SINGLE_POSTS or first == "stories" or (first == "s" and second):
        owner = _username(second) if first == "stories" and second != "highlights" else None
        raise _refusal(
            typed, f"is the address of {_SINGLE_POSTS.get(first, 'a story')}. {_what_works_for(owner)}"
        )
    if first in _RESERVED:
        raise _refusal(typed, f"is one of Instagram's own pages. {_WHAT_WORKS}")
    if second in _SINGLE_POSTS:
        raise _refusal(
            typed, f"is the address of {_SINGLE_POSTS[second]}. {_what_works_for(_username(first))}"
        )
    return _named(SourceType.PROFILE, segments[0], typed, unicode_tags=unicode_tags)


def _tag_at(segments: list[str], query: str) -> str | None:
    """The hashtag of a path and query: /explore/tags/bread/, or what Instagram now makes of it, a search for #bread."""
    lower = [segment.lower() for segment in segments]
    if lower[:2] == ["explore", "tags"] and len(segments) > 2:
        return segments[2]
    if lower[:3] == ["explore", "search", "keyword"]:
        (searched, *_) = parse_qs(query).get("q", [""])
        return searched[1:] if searched.startswith("#") else None
    return None


def _username(text: str) -> str | None:
    try:
        return parse_source(SourceType.PROFILE, text).value
    except InvalidSource:
        return None


def _what_works_for(owner: str | None) -> str:
    return f"To show the posts of that account, enter @{owner}." if owner else _WHAT_WORKS


def _refusal(typed: str, message: str) -> InvalidSource:
    shown = "".join(character if character.isprintable() else " " for character in typed)
    shown = f"{shown[:QUOTED_LENGTH]}…" if len(shown) > QUOTED_LENGTH else shown
    return InvalidSource("sourceValue", f"“{shown}” {message}")


def _parse_tag(text: str, *, unicode_tags: bool) -> str:
    if not unicode_tags:
        value = text.strip().removeprefix("#").lower()
        if value.isascii() and TAG.fullmatch(value):
            return value
        raise InvalidSource("sourceValue", "Must be a hashtag: 1 to 50 letters, digits and underscores.")
    stripped = text.strip()
    value = unicodedata.normalize("NFC", stripped[1:] if stripped[:1] in {"#", "＃"} else stripped).lower()
    if 1 <= len(value) <= TAG_UNICODE_LENGTH and all(_belongs_in_tag(character) for character in value):
        return value
    raise InvalidSource(
        "sourceValue", "Must be a hashtag: 1 to 100 letters, digits and underscores, without spaces or emoji."
    )


def _belongs_in_tag(character: str) -> bool:
    return character == "_" or unicodedata.category(character)[0] in "LMN"
