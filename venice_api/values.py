"""Parsing the values of a widget's settings from text. Pure functions; each error names its field.

The API, the editor's form, the commands and the model share them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError

from paris_integration.public import (
    FilterKind,
    InvalidSource,
    Source,
    SourceType,
    parse_source,
    parse_source_type,
    read_source,
)

DEFAULT_MAX_POSTS = 12
MAX_POSTS_LIMIT = 48
TEXT_LIMIT = 200
_FILTERS = {"all": None, "image": FilterKind.IMAGE, "photo": FilterKind.IMAGE, "video": FilterKind.VIDEO}
_WHOLE_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
QUOTED_LENGTH = 100  # of what was typed, in messages
_BETWEEN_ORIGINS = re.compile(r"[\s,;]+")
_ORIGIN_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)


class InvalidInput(ValidationError):
    """An invalid field, and what would be valid. Forms and serializers report it at their own field."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.message: str = message


@dataclass(frozen=True, slots=True)
class FilterChoice:
    """A requested filter. `kind` None means "all"."""

    kind: FilterKind | None


def clean_text(field: str, text: str, *, limit: int = TEXT_LIMIT) -> str:
    if not text:
        raise InvalidInput(field, "Must not be empty.")
    if len(text) > limit:
        raise InvalidInput(field, f"Must be at most {limit} characters.")
    if _CONTROL.search(text.strip()):
        raise InvalidInput(field, "Must not contain control characters.")
    if _SURROGATE.search(text):
        raise InvalidInput(field, "Must be valid text.")
    return text


def parse_max_posts(text: str) -> int:
    if not _WHOLE_NUMBER.fullmatch(text) or not 1 <= int(text) <= MAX_POSTS_LIMIT:
        raise InvalidInput("maxPosts", f"Must be a whole number from 1 to {MAX_POSTS_LIMIT}.")
    return int(text)


def parse_filter(text: str) -> FilterKind | None:
    """Returns None for "all"."""
    if text not in _FILTERS:
        raise InvalidInput("filterType", "Must be all, image or video.")
    return _FILTERS[text]


def saved_source(source_type: str, source_value: str) -> Source:
    """The normalised source, as saved with an instance. Raises InvalidInput."""
    return normalised_source(parse_type(source_type), source_value)


def normalised_source(source_type: SourceType, source_value: str) -> Source:
    try:
        return parse_source(source_type, source_value, unicode_tags=settings.HASHTAG_UNICODE)
    except InvalidSource as error:
        raise InvalidInput(error.field, str(error)) from None


def typed_source(source_type: str, text: str) -> Source:
    """The source that a person typed or pasted on a page: a name, @name, #tag or an address. Raises InvalidInput."""
    try:
        return read_source(parse_type(source_type), text, unicode_tags=settings.HASHTAG_UNICODE)
    except InvalidSource as error:
        raise InvalidInput(error.field, str(error)) from None


def parse_type(text: str) -> SourceType:
    try:
        return parse_source_type(text)
    except InvalidSource as error:
        raise InvalidInput(error.field, str(error)) from None


def parse_allowed_origin(text: str) -> str:
    """An origin as browsers send it: scheme, host, and the port unless it is the default. Raises InvalidInput."""
    problem = InvalidInput(
        "allowedOrigins", f"{text[:QUOTED_LENGTH]!r} is not an origin such as https://shop.example."
    )
    try:
        parts = urlsplit(text.strip())
        port = parts.port
    except ValueError:
        raise problem from None
    if parts.scheme not in {"http", "https"} or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise problem
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    if parts.username is not None or not _ORIGIN_HOST.fullmatch(host):
        raise problem
    standard_port = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" + (f":{port}" if port not in (None, standard_port) else "")


@dataclass(frozen=True, slots=True)
class TypedOrigin:
    """A site that a person typed. `note`: what was left out of it, in a sentence, or ""."""

    origin: str
    note: str = ""


def typed_origins(text: str) -> list[TypedOrigin]:
    """The sites that a person typed, one per line or separated by commas or spaces. Raises InvalidInput.

    A site without a scheme is an https site. Of a page's address, only the site counts.
    """
    return [_typed_origin(typed) for typed in _BETWEEN_ORIGINS.split(text) if typed]


def _typed_origin(typed: str) -> TypedOrigin:
    shown = f"“{typed[:QUOTED_LENGTH]}{'…' if len(typed) > QUOTED_LENGTH else ''}”"
    if typed == "*":
        raise InvalidInput(
            "allowedOrigins", "“*” can't be entered. To allow any site, leave the field empty."
        )
    if "*" in typed:
        raise InvalidInput(
            "allowedOrigins",
            f"{shown} contains a wildcard. Enter each site, such as https://www.shop.example.",
        )
    try:
        parts = urlsplit(typed if "://" in typed else f"https://{typed.removeprefix('//')}")
        origin = parse_allowed_origin(_site_of(parts, is_scheme_typed="://" in typed))
    except (ValueError, InvalidInput):
        raise InvalidInput(
            "allowedOrigins", f"{shown} isn't the address of a site, such as https://shop.example."
        ) from None
    is_page = parts.path not in {"", "/"} or parts.query or parts.fragment
    return TypedOrigin(
        origin, f"{shown} is a page's address, so its site was saved: {origin}" if is_page else ""
    )


def _site_of(parts: SplitResult, *, is_scheme_typed: bool) -> str:
    """Raises ValueError."""
    host = (parts.hostname or "").encode("idna").decode()  # as browsers send it
    is_local = host in {"localhost", "::1"} or host.startswith("127.")
    if "@" in parts.netloc or not (is_scheme_typed or is_local or "." in host or ":" in host):
        raise ValueError
    scheme = "http" if is_local and not is_scheme_typed else parts.scheme
    port = "" if parts.port is None else f":{parts.port}"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}"
