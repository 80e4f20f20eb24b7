"""Turns Meta's raw media objects into posts. Pure; never raises for any JSON.

An item that can't be shown is dropped with a warning; the others are kept.
Sources: IG Media reference (2026-06-22), "Business Discovery" (2026-08-12).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from urllib.parse import parse_qs, urlsplit

from paris_integration.providers.base import RawFeed
from paris_integration.types import (
    Dataset,
    ExternalChild,
    ExternalPost,
    ExternalProfile,
    FilterKind,
    Post,
    Warning,
)

URL_LIMIT = 4_000
CAPTION_LIMIT = 10_000
ALT_TEXT_LIMIT = 2_000
LINK_LIFE_LIMIT = timedelta(days=400)
LEFT_OUT_PRODUCTS = {"STORY", "AD"}
FILM_SUFFIXES = (".mp4", ".mov", ".m4v", ".webm")
_ID = re.compile(r"[A-Za-z0-9_]{1,64}", re.ASCII)
_USERNAME = re.compile(r"[A-Za-z0-9._]{1,30}", re.ASCII)
_UNSAFE_IN_URL = re.compile(r"[\x00-\x20\x7f\"'<>\\^`{|}\ud800-\udfff]")


class MediaKind(StrEnum):
    IMAGE = "IMAGE"
    VIDEO = "VIDEO"
    ALBUM = "CAROUSEL_ALBUM"


class _NotShowable(Exception):
    """This item can't be shown."""


@dataclass(frozen=True, slots=True)
class _Rules:
    plain_http_hosts: Collection[str]


@dataclass(frozen=True, slots=True)
class _Item:
    """A post and the warnings about it."""

    post: Post
    warnings: frozenset[Warning] = frozenset()


def dataset(
    raw: RawFeed, *, fetched_at: datetime, max_posts: int, plain_http_hosts: Collection[str]
) -> Dataset:
    """The posts of a fetch: newest first, ties in the provider's order, each id once, at most `max_posts`.

    `plain_http_hosts`: hosts or domain suffixes, optionally with a port, whose media may use plain http.
    """
    rules = _Rules(tuple(plain_http_hosts))
    items: list[_Item] = []
    seen: set[str] = set()
    warnings: set[Warning] = set()
    for raw_item in raw.media:
        if _is_left_out(raw_item):
            continue
        try:
            item = _item(raw_item, rules, fetched_at)
        except _NotShowable:
            warnings.add(Warning.POSTS_SKIPPED)
            continue
        # Pages may overlap if a post was published or deleted between two calls.
        if item.post.external["id"] not in seen:
            seen.add(item.post.external["id"])
            items.append(item)
    items.sort(key=lambda item: item.post.published_at, reverse=True)
    del items[max_posts:]
    for item in items:
        warnings |= item.warnings
    if raw.later_page_error is not None:
        warnings.add(Warning.PARTIAL_DATA)
    return Dataset(
        posts=tuple(item.post for item in items),
        profile=profile(raw.profile, plain_http_hosts=plain_http_hosts),
        warnings=frozenset(warnings),
        is_partial=raw.later_page_error is not None,
    )


def profile(raw: Mapping[str, object] | None, *, plain_http_hosts: Collection[str]) -> ExternalProfile | None:
    """Name and picture of an account; None if the name is missing or invalid."""
    if raw is None:
        return None
    username = raw.get("username")
    if not isinstance(username, str) or not _USERNAME.fullmatch(username):
        return None
    found = ExternalProfile(username=username)
    picture = media_url(raw.get("profile_picture_url"), plain_http_hosts)
    if picture:
        found["profilePictureUrl"] = picture
    return found


def media_url(value: object, plain_http_hosts: Collection[str]) -> str | None:
    """The URL if it may be shown: https, or http for the allowed hosts. Else None."""
    if not isinstance(value, str) or not 0 < len(value) <= URL_LIMIT or _UNSAFE_IN_URL.search(value):
        return None
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host or parts.username is not None or parts.password is not None:
        return None
    if parts.scheme == "https":
        return value
    if parts.scheme == "http" and any(_is_host(host, port, allowed) for allowed in plain_http_hosts):
        return value
    return None


def clean_text(value: object, limit: int) -> str | None:
    """Text without NUL and lone surrogates, which PostgreSQL and JSON refuse. None if nothing is left."""
    if not isinstance(value, str):
        return None
    # Through UTF-16, surrogate pairs become one character, and lone surrogates are replaced.
    text = value.replace("\x00", "").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text[:limit] if text.strip() else None


def _item(raw: object, rules: _Rules, fetched_at: datetime) -> _Item:
    if not isinstance(raw, dict):
        raise _NotShowable
    kind = _kind(raw)
    published_at = _moment(raw.get("timestamp"))
    base = ExternalPost(
        id=_id(raw.get("id")),
        mediaType=kind.value,
        permalink=_permalink(raw, rules),
        timestamp=_wire(published_at),
    )
    _add_words(base, raw)
    if kind is MediaKind.ALBUM:
        item_kind, warnings = _fill_album(base, raw, rules)
    elif kind is MediaKind.VIDEO:
        item_kind, warnings = FilterKind.VIDEO, _fill_video(base, raw, rules)
        if _is_reel(raw, base["permalink"]):
            base["isReel"] = True
    else:
        item_kind, warnings = FilterKind.IMAGE, _fill_image(base, raw, rules)
    post = Post(base, item_kind, published_at, _earliest_expiry(base, fetched_at))
    return _Item(post, warnings)


def _add_words(post: ExternalPost, raw: Mapping[str, object]) -> None:
    caption = clean_text(raw.get("caption"), CAPTION_LIMIT)
    if caption:
        post["caption"] = caption
    alt_text = clean_text(raw.get("alt_text"), ALT_TEXT_LIMIT)
    if alt_text:
        post["altText"] = alt_text
    username = raw.get("username")
    if isinstance(username, str) and _USERNAME.fullmatch(username):
        post["username"] = username


def _fill_image(
    target: ExternalPost | ExternalChild, raw: Mapping[str, object], rules: _Rules
) -> frozenset[Warning]:
    picture = media_url(raw.get("media_url"), rules.plain_http_hosts)
    if picture is None:
        raise _NotShowable
    target["mediaUrl"] = target["thumbnailUrl"] = picture
    return frozenset()


def _fill_video(
    target: ExternalPost | ExternalChild, raw: Mapping[str, object], rules: _Rules
) -> frozenset[Warning]:
    """Add the video's file and poster, or the poster as a picture if Meta omits the file."""
    file = media_url(raw.get("media_url"), rules.plain_http_hosts)
    poster = media_url(raw.get("thumbnail_url"), rules.plain_http_hosts)
    if file is None and poster is None:
        raise _NotShowable
    if poster is not None:
        target["thumbnailUrl"] = poster
    if file is not None:
        target["mediaUrl"] = file
        return frozenset()
    # Meta omits `media_url` for licensed audio, and if downloads are switched off.
    target["mediaType"] = MediaKind.IMAGE.value
    return frozenset({Warning.VIDEO_UNAVAILABLE})


def _fill_album(
    album: ExternalPost, raw: Mapping[str, object], rules: _Rules
) -> tuple[FilterKind, frozenset[Warning]]:
    """Add the cover and the children that can be shown. Raises _NotShowable without either.

    The cover is the album's own picture, else the first picture among its children. An album of videos without posters
    has no `thumbnailUrl`, like a single video without a poster.
    """
    warnings: set[Warning] = set()
    children: list[ExternalChild] = []
    kinds: list[FilterKind] = []
    for raw_child in _children(raw):
        try:
            child, kind, child_warnings = _child(raw_child, rules)
        except _NotShowable:
            warnings.add(Warning.POSTS_SKIPPED)
            continue
        children.append(child)
        kinds.append(kind)
        warnings |= child_warnings
    own = _own_picture(raw, rules)
    cover = own or media_url(raw.get("thumbnail_url"), rules.plain_http_hosts) or _first_picture(children)
    if cover is None and not children:
        raise _NotShowable
    if cover is not None:
        album["thumbnailUrl"] = cover
    if own is not None:
        album["mediaUrl"] = own
    if children:
        album["children"] = children
    return kinds[0] if kinds else FilterKind.IMAGE, frozenset(warnings)


def _own_picture(raw: Mapping[str, object], rules: _Rules) -> str | None:
    """The album's own picture, or None if its file is a video."""
    # Meta repeats the first child's URL here (Business Discovery, measured on v26.0, August 2026) without its type, so
    # use the file name and the children's URLs.
    own = media_url(raw.get("media_url"), rules.plain_http_hosts)
    if own is None or urlsplit(own).path.lower().endswith(FILM_SUFFIXES):
        return None
    films = [
        child.get("media_url")
        for child in _children(raw)
        if isinstance(child, dict) and child.get("media_type") == MediaKind.VIDEO
    ]
    return None if own in films else own


def _child(raw: object, rules: _Rules) -> tuple[ExternalChild, FilterKind, frozenset[Warning]]:
    if not isinstance(raw, dict):
        raise _NotShowable
    kind = _kind(raw)
    child = ExternalChild(id=_id(raw.get("id")), mediaType=kind.value)
    alt_text = clean_text(raw.get("alt_text"), ALT_TEXT_LIMIT)
    if alt_text:
        child["altText"] = alt_text
    if kind is MediaKind.VIDEO:
        return child, FilterKind.VIDEO, _fill_video(child, raw, rules)
    if kind is MediaKind.IMAGE:
        return child, FilterKind.IMAGE, _fill_image(child, raw, rules)
    raise _NotShowable


def _children(raw: Mapping[str, object]) -> list[object]:
    edge = raw.get("children")
    items = edge.get("data") if isinstance(edge, dict) else None
    return items if isinstance(items, list) else []


def _first_picture(children: list[ExternalChild]) -> str | None:
    return next((child["thumbnailUrl"] for child in children if "thumbnailUrl" in child), None)


def _kind(raw: Mapping[str, object]) -> MediaKind:
    try:
        return MediaKind(raw.get("media_type"))  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise _NotShowable from None


def _id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**30:
        return str(value)
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise _NotShowable


def _permalink(raw: Mapping[str, object], rules: _Rules) -> str:
    link = media_url(raw.get("permalink"), rules.plain_http_hosts)
    if link is None:
        raise _NotShowable
    return link


def _moment(value: object) -> datetime:
    """The time in UTC. Meta writes `2026-11-02T07:15:04+0000`, with an offset without colon."""
    if not isinstance(value, str) or len(value) > 40:
        raise _NotShowable
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise _NotShowable
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise _NotShowable from None


def _wire(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _is_reel(raw: Mapping[str, object], permalink: str) -> bool:
    """Whether the video is a reel."""
    # Not every call returns `media_product_type`; the permalink has the same information.
    return raw.get("media_product_type") == "REELS" or urlsplit(permalink).path.startswith("/reel/")


def _is_left_out(raw: object) -> bool:
    """Whether to skip the item: stories, ads, and reels that their owner hides from the profile."""
    if not isinstance(raw, dict):
        return False
    product = raw.get("media_product_type")
    if isinstance(product, str) and product in LEFT_OUT_PRODUCTS:
        return True
    # `is_shared_to_feed` is documented for reels only (IG Media reference, 2026-06-22); ignored on other posts.
    is_video = raw.get("media_type") == MediaKind.VIDEO or product == "REELS"
    return is_video and raw.get("is_shared_to_feed") is False


def _earliest_expiry(post: ExternalPost, fetched_at: datetime) -> datetime | None:
    urls = [post.get("mediaUrl"), post.get("thumbnailUrl")]
    for child in post.get("children", []):
        urls += [child.get("mediaUrl"), child.get("thumbnailUrl")]
    # A set, because an image has the same link twice.
    expiries = [expiry for url in set(urls) if url and (expiry := link_expiry(url, fetched_at))]
    return min(expiries, default=None)


def link_expiry(url: str, fetched_at: datetime) -> datetime | None:
    """When the CDN link expires, if its URL says so."""
    # `oe` is the expiry in hexadecimal Unix seconds. Meta doesn't document it, so only plausible times are used.
    if "oe=" not in url:
        return None
    text = parse_qs(urlsplit(url).query).get("oe", [""])[0]
    if not re.fullmatch(r"[0-9A-Fa-f]{6,9}", text):
        return None
    expiry = datetime.fromtimestamp(int(text, 16), UTC)
    return expiry if abs(expiry - fetched_at) < LINK_LIFE_LIMIT else None


@lru_cache(maxsize=256)
def _is_host(host: str, port: int | None, allowed: str) -> bool:
    name, _, allowed_port = allowed.lower().partition(":")
    if allowed_port and str(port) != allowed_port:
        return False
    return host == name or host.endswith(f".{name}")
