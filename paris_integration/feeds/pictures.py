"""Which pictures of a feed are copied, and the posts as readers get them, with links to the copies. Pure functions.

An item is the id of a post or of an album's child, or PROFILE. Its picture is the file behind `thumbnailUrl`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urlsplit

import msgspec
from django.conf import settings

from paris_integration.feeds.selecting import may_reach_far
from paris_integration.providers.normalize import link_expiry
from paris_integration.types import (
    EncodedPost,
    ExternalChild,
    ExternalPost,
    ExternalProfile,
    FilterKind,
    PictureSize,
    PictureSizes,
    Selection,
)

PROFILE = "profile"
FILE_NAME_LIMIT = 200
PICTURE_DIGEST_LENGTH = 32
MOST_POSTS = 10_000  # more than any feed has
# The expiry of a post whose links are all our own.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)


class Reach(msgspec.Struct, frozen=True, array_like=True):
    """Of how many posts readers have requested pictures: counted over all posts, the images, and the videos."""

    posts: int = 0
    images: int = 0
    videos: int = 0

    def __or__(self, other: Reach) -> Reach:
        """The reach that includes both."""
        return Reach(
            max(self.posts, other.posts), max(self.images, other.images), max(self.videos, other.videos)
        )


class Copy(msgspec.Struct, frozen=True, array_like=True):
    """A stored copy, as a feed's row lists it.

    `file_name`: the provider's, of the picture that was copied. `width`, `height`: the original's pixels. `sizes`:
    width and height of small, medium and large.
    """

    file_name: str
    digest: str
    width: int
    height: int
    placeholder: str
    sizes: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]


@dataclass(frozen=True, slots=True)
class WantedPicture:
    """A picture to copy. `url`: the provider's link. `file_name` stays the same while the picture does."""

    item: str
    url: str
    file_name: str


Copies = dict[str, Copy]
_copies_decoder = msgspec.json.Decoder(Copies)
msgspec.json.Decoder(Reach)  # describes the type before there are threads; see foundation.cache


@lru_cache(maxsize=128)
def decode_copies(text: str) -> Copies:
    return _copies_decoder.decode(text)


def encode_copies(copies: Copies) -> str:
    return msgspec.json.encode(copies).decode()


def reach_of(selection: Selection) -> Reach:
    """What this selection can show. Hidden posts count, as others move up in their place."""
    number = MOST_POSTS if may_reach_far(selection) else selection.max_posts + len(selection.hidden_ids)
    match selection.filter_kind:
        case FilterKind.IMAGE:
            return Reach(images=number)
        case FilterKind.VIDEO:
            return Reach(videos=number)
        case _:
            return Reach(posts=number)


def stored_reach(value: Any) -> Reach:
    """The reach from a row's column. Nothing if it is empty or unreadable."""
    try:
        return msgspec.convert(value, Reach)
    except msgspec.ValidationError:
        return Reach()


def wanted_pictures(
    posts: Iterable[EncodedPost], profile: ExternalProfile | None, reach: Reach
) -> list[WantedPicture]:
    """The pictures within reach, in the order in which readers see them."""
    if reach == Reach():
        return []
    found: dict[str, WantedPicture] = {}
    if profile and "profilePictureUrl" in profile:
        found[PROFILE] = _wanted(PROFILE, profile["profilePictureUrl"])
    for post in _within(posts, reach):
        external: ExternalPost = json.loads(post.json)
        for item in (external, *external.get("children", ())):
            if "thumbnailUrl" in item and item["id"] not in found:
                found[item["id"]] = _wanted(item["id"], item["thumbnailUrl"])
    return list(found.values())


def are_copied(wanted: Iterable[WantedPicture], copies: Copies) -> bool:
    """Whether exactly these pictures have copies."""
    return {(each.item, each.file_name) for each in wanted} == {
        (item, copy.file_name) for item, copy in copies.items()
    }


@lru_cache(maxsize=128)
def posts_with_copies(posts_encoded: str, copies_encoded: str, fetched_at: datetime | None) -> str:
    """The encoded posts, with links to the copies instead of the provider's, and the expiry of the remaining links."""
    copies = decode_copies(copies_encoded)
    if not copies:
        return posts_encoded
    entries = json.loads(posts_encoded)
    for entry in entries:
        external: ExternalPost = json.loads(entry[3])
        items: list[ExternalPost | ExternalChild] = [external, *external.get("children", ())]
        remaining: list[str] = []
        for item in items:
            copy = copies.get(item["id"])
            if copy is not None:
                _use_copy(item, copy)
            remaining += _provider_links(item, is_copied=copy is not None)
        if any(item["id"] in copies for item in items):
            entry[2] = _expiry(remaining, fetched_at)
            entry[3] = json.dumps(external, ensure_ascii=False, separators=(",", ":"))
    return json.dumps(entries, ensure_ascii=False, separators=(",", ":"))


def profile_with_copies(profile: ExternalProfile | None, copies_encoded: str) -> ExternalProfile | None:
    """The profile with the copy of its picture, if there is one."""
    copy = decode_copies(copies_encoded).get(PROFILE)
    if profile is None or copy is None or "profilePictureUrl" not in profile:
        return profile
    sizes = _sizes(copy)
    return {**profile, "profilePictureUrl": sizes["small"]["url"], "sizes": sizes}


def file_digest(picture_digest: str, width: int) -> str:
    """The digest in the names of a picture's files of this width (pixels): 40 hexadecimal characters."""
    return f"{picture_digest}{width:08x}"


def picture_digest(file_name: str) -> str:
    """The digest of the picture that has this file."""
    return file_name[:PICTURE_DIGEST_LENGTH]


def picture_url(name: str) -> str:
    """The public URL of a file, given its name."""
    if settings.MEDIA_STORAGE == "s3" and settings.S3_PUBLIC_URL:
        return f"{settings.S3_PUBLIC_URL}/{name[:2]}/{name}"
    return f"{settings.PUBLIC_BASE_URL}/media/{name}"


def _within(posts: Iterable[EncodedPost], reach: Reach) -> Iterator[EncodedPost]:
    limits = {FilterKind.IMAGE: reach.images, FilterKind.VIDEO: reach.videos}
    of_kind: Counter[FilterKind] = Counter()
    for place, post in enumerate(posts):
        of_kind[post.filter_kind] += 1
        if place < reach.posts or of_kind[post.filter_kind] <= limits[post.filter_kind]:
            yield post


def _wanted(item: str, url: str) -> WantedPicture:
    # The path ends in the file's name. The rest of the link, its signature, changes with every answer.
    name = urlsplit(url).path.rpartition("/")[2]
    return WantedPicture(item, url, name[-FILE_NAME_LIMIT:])


def _use_copy(item: ExternalPost | ExternalChild, copy: Copy) -> None:
    sizes = _sizes(copy)
    # Only a picture may be the `mediaUrl` of an image or album; a still of a missing video has none.
    if item["mediaType"] != "VIDEO" and "mediaUrl" in item:
        item["mediaUrl"] = sizes["large"]["url"]
    item["thumbnailUrl"] = sizes["medium"]["url"]
    item["width"], item["height"] = copy.width, copy.height
    item["placeholder"] = copy.placeholder
    item["sizes"] = sizes


def _sizes(copy: Copy) -> PictureSizes:
    small, medium, large = (_size(copy.digest, width, height) for width, height in copy.sizes)
    return {"small": small, "medium": medium, "large": large}


def _size(digest: str, width: int, height: int) -> PictureSize:
    name = file_digest(digest, width)
    return {
        "url": picture_url(f"{name}.jpg"),
        "avifUrl": picture_url(f"{name}.avif"),
        "width": width,
        "height": height,
    }


def _provider_links(item: ExternalPost | ExternalChild, *, is_copied: bool) -> list[str]:
    """The item's links that aren't ours."""
    links = cast("dict[str, str]", item)
    if is_copied:
        return [links["mediaUrl"]] if item["mediaType"] == "VIDEO" and "mediaUrl" in links else []
    return [links[name] for name in ("mediaUrl", "thumbnailUrl") if name in links]


def _expiry(links: list[str], fetched_at: datetime | None) -> int | None:
    """The earliest expiry in Unix seconds; None if it is unknown."""
    if not links:
        return int(NEVER.timestamp())
    if fetched_at is None:
        return None
    known = [at for link in links if (at := link_expiry(link, fetched_at)) is not None]
    return int(min(known).timestamp()) if known else None
