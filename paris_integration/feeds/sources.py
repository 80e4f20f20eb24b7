"""Normalises and validates sources before they reach cache keys, quotas and the provider. Pure.

Input is trimmed, stripped of one leading `@` or `#`, lower-cased, and then matched as a whole.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import urlsplit

from paris_integration.types import Source, SourceType

# The username becomes part of a field expression in the provider's URL: this pattern also prevents injection there.
USERNAME = re.compile(r"(?!\.)(?!.*\.\.)(?!.*\.\Z)[a-z0-9._]{1,30}", re.ASCII)
TAG = re.compile(r"[a-z0-9_]{1,50}", re.ASCII)
TAG_UNICODE_LENGTH = 100
_INSTAGRAM_HOSTS = {"instagram.com", "www.instagram.com", "m.instagram.com"}


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


def source_from_profile_url(text: str) -> Source | None:
    """The profile that a pasted Instagram URL points to, or None."""
    candidate = text.strip()
    if "://" not in candidate:
        candidate = f"https://{candidate}"
    try:
        parts = urlsplit(candidate)
        host = parts.hostname
    except ValueError:
        return None
    segments = [segment for segment in parts.path.split("/") if segment]
    if parts.scheme not in {"http", "https"} or host not in _INSTAGRAM_HOSTS or len(segments) != 1:
        return None
    try:
        return parse_source(SourceType.PROFILE, segments[0])
    except InvalidSource:
        return None


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
