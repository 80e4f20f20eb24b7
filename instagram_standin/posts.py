"""Media objects in Graph's shape, made from a scene and a few words.

A row holds every field that Meta would have for the post, under Meta's names; what Meta leaves out is not there. Files
are named by path, not by address: see links.py. Source: IG Media reference (2026-06-22).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto

from instagram_standin.links import MEDIA_PREFIX
from instagram_standin.pictures.clips import can_film

Row = Mapping[str, object]

FILM = "film:"  # before a scene in `Sketch.children`: this child moves


class Kind(Enum):
    IMAGE = auto()
    REEL = auto()
    VIDEO = auto()
    MUTED = (
        auto()
    )  # a video whose file is withheld, as for licensed audio: a still and a link is all there is
    ALBUM = auto()


@dataclass(frozen=True, slots=True)
class Sketch:
    """A post before it is anybody's. `children`: the scenes of an album, whose `scene` is not looked at."""

    scene: str = ""
    caption: str | None = None
    kind: Kind = Kind.IMAGE
    alt_text: str | None = None
    children: Sequence[str] = ()
    hides_likes: bool = False


def number_from(text: str, below: int) -> int:
    """The same number for the same text, for ever and on any machine."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8]) % below


def media_id(key: str) -> str:
    return f"17900{number_from(f'id:{key}', 10**12):012}"


def shortcode(key: str) -> str:
    digest = hashlib.sha256(f"code:{key}".encode("utf-8", "surrogatepass")).digest()
    return "D" + base64.urlsafe_b64encode(digest).decode()[:10]


def wire_time(moment: datetime) -> str:
    """`2026-11-02T07:15:04+0000`: ISO 8601, the offset without its colon."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")


def picture_path(seed: str) -> str:
    return f"{MEDIA_PREFIX}{seed}.jpg"


def film_path(seed: str) -> str:
    return f"{MEDIA_PREFIX}{seed}.mp4"


def compose(sketch: Sketch, username: str, index: int, published_at: datetime) -> Row:
    """The post that `username` made of `sketch`; `index` tells the posts of an account apart."""
    key = f"{username}:{index}"
    row: dict[str, object] = {"id": media_id(key)}
    if sketch.caption is not None:
        row["caption"] = sketch.caption
    row |= _substance(sketch, key)
    is_reel = sketch.kind is Kind.REEL
    row |= {
        "media_product_type": "REELS" if is_reel else "FEED",
        "permalink": f"https://www.instagram.com/{'reel' if is_reel else 'p'}/{shortcode(key)}/",
        "shortcode": shortcode(key),
        "timestamp": wire_time(published_at),
        "username": username,
        "comments_count": number_from(f"comments:{key}", 40),
    }
    if is_reel:
        row["is_shared_to_feed"] = True
    if not sketch.hides_likes:
        row["like_count"] = 20 + number_from(f"likes:{key}", 900)
    if sketch.alt_text is not None:
        row["alt_text"] = sketch.alt_text
    if sketch.kind is Kind.ALBUM:
        row["children"] = [
            compose_child(scene, f"{key}:{place}", wire_time(published_at))
            for place, scene in enumerate(sketch.children)
        ]
    return row


def compose_child(scene: str, key: str, timestamp: str) -> Row:
    """A child of an album. `key`: username, post and place, between colons."""
    kind = "VIDEO" if scene.startswith(FILM) else "IMAGE"
    return {
        "id": media_id(key),
        "media_type": kind,
        **_child_files(scene, key),
        "timestamp": timestamp,
        "username": key.partition(":")[0],
        "shortcode": shortcode(key),
    }


def _substance(sketch: Sketch, key: str) -> Row:
    match sketch.kind:
        case Kind.IMAGE:
            return {"media_type": "IMAGE", "media_url": picture_path(_seed(sketch.scene, key))}
        case Kind.ALBUM:
            # Seen on v26.0 (August 2026): the album's own address is its first child's.
            cover = _child_files(sketch.children[0], f"{key}:0")
            return {
                "media_type": "CAROUSEL_ALBUM",
                "media_url": cover.get("media_url", cover.get("thumbnail_url")),
            }
        case Kind.MUTED:
            still = picture_path(_seed(sketch.scene, key))
            return {"media_type": "VIDEO", "thumbnail_url": still, "media_audio_type": "MUSIC"}
        case Kind.REEL | Kind.VIDEO:
            views = 200 + number_from(f"views:{key}", 20_000)
            files = _film_files(_seed(sketch.scene, key, is_tall=sketch.kind is Kind.REEL))
            return {"media_type": "VIDEO", **files, "media_audio_type": "ORIGINAL_SOUND", "view_count": views}


def _child_files(scene: str, key: str) -> Row:
    if scene.startswith(FILM):
        return _film_files(_seed(scene.removeprefix(FILM), key, is_tall=True))
    return {"media_url": picture_path(_seed(scene, key, is_tall=True))}


def _film_files(seed: str) -> Row:
    files = {"thumbnail_url": picture_path(seed)}
    return {"media_url": film_path(seed), **files} if can_film() else files


def _seed(scene: str, key: str, *, is_tall: bool = False) -> str:
    return f"{scene}-{key.replace(':', '-')}{'-tall' if is_tall else ''}"
