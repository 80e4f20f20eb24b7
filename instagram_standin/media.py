"""Posts in the shape of Graph's media objects, and the files behind their addresses.

A row holds every field that Meta would have for the post, under Meta's names; a field that Meta leaves out is missing.
Rows name files by path (`/media/bread-acme.bakery-0.jpg`); an address is made when an answer is. The word before the
first dash says which file of pictures/ is served. Source: IG Media reference (2026-06-22).
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from instagram_standin.messages import Answer, Request, text_answer
from instagram_standin.tokens import number_from

Row = Mapping[str, object]
Kind = Literal["image", "reel", "video", "muted"]

MEDIA_PREFIX = "/media/"
LINK_LIFE_SECONDS = 4 * 86_400
EXPIRED = "URL signature expired"
_FOLDER = Path(__file__).parent / "pictures"
PICTURES = {path.stem: path.read_bytes() for path in sorted(_FOLDER.glob("*.jpg"))}
FILMS = {path.stem: path.read_bytes() for path in sorted(_FOLDER.glob("*.mp4"))}
PHOTOS = [name for name in PICTURES if not name.startswith("avatar_")]
OUTDOORS = frozenset({"forest", "lake", "mountains", "night", "sea", "trail", "wheat"})
_FILE = re.compile(r"(?P<name>[A-Za-z0-9._-]{1,120})\.(?P<kind>jpg|mp4)", re.ASCII)
_RANGE = re.compile(r"bytes=([0-9]{0,12})-([0-9]{0,12})", re.ASCII)
_HEX = re.compile(r"[0-9A-Fa-f]{1,9}", re.ASCII)


class Links:
    """Signed addresses that expire, as on Meta's CDN.

    `oe` is the expiry in hexadecimal Unix seconds, `oh` the generation of links, which `expire` ends. `public_url`:
    where callers reach the stand-in; None is the host they named in their request.
    """

    def __init__(self, public_url: str | None = None) -> None:
        self._public_url = public_url.rstrip("/") if public_url else None
        self._generation = 1
        self._life_seconds = LINK_LIFE_SECONDS

    def live_for(self, seconds: int) -> None:
        """How long addresses work that are handed out from now on."""
        self._life_seconds = seconds

    def expire(self) -> None:
        """Refuse every address handed out so far."""
        self._generation += 1

    def address(self, path: str, host: str) -> str:
        # Meta's addresses stay the same for hours, and so do these, unless they live for less.
        step = 3_600 if self._life_seconds > 2 * 3_600 else 1
        expiry = int((time.time() + self._life_seconds) // step) * step
        return f"{self.origin(host)}{path}?oh=00_A{self._generation}&oe={expiry:X}"

    def origin(self, host: str) -> str:
        return self._public_url or f"http://{host}"

    def refusal(self, query: Mapping[str, str]) -> str | None:
        """Why an address with this query is refused, None when it is good. A bare path is always good."""
        if "oe" not in query:
            return None
        if not _HEX.fullmatch(query["oe"]):
            return "Bad URL date param"
        is_current = query.get("oh") == f"00_A{self._generation}"
        return None if is_current and int(query["oe"], 16) > time.time() else EXPIRED


def file_answer(request: Request, links: Links) -> Answer:
    """A picture or a film. Every name has one: where no file has the name, its hash chooses."""
    if request.method not in ("GET", "HEAD"):
        return text_answer("Method not allowed", 405)
    refusal = links.refusal(request.query)
    if refusal is not None:
        return text_answer(refusal, 403)
    found = _FILE.fullmatch(request.path.removeprefix(MEDIA_PREFIX))
    if found is None:
        return text_answer("Not found", 404)
    scene = found["name"].partition("-")[0]
    if found["kind"] == "mp4":
        return _part(FILMS["outdoors" if scene in OUTDOORS else "bakery"], "video/mp4", request)
    other = PHOTOS[number_from(found["name"], len(PHOTOS))]
    return _part(PICTURES.get(scene, PICTURES[other]), "image/jpeg", request)


def _part(content: bytes, kind: str, request: Request) -> Answer:
    """The whole file, or the range asked for: Safari plays no film from a server without ranges."""
    headers = {"Content-Type": kind, "Cache-Control": "public, max-age=86400", "Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or not (asked[1] or asked[2]):
        return Answer(200, content, headers)
    end = len(content) - 1
    first = int(asked[1]) if asked[1] else max(end + 1 - int(asked[2]), 0)
    last = min(int(asked[2]), end) if asked[1] and asked[2] else end
    if first > last:
        return Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(206, content[first : last + 1], headers)


@dataclass(frozen=True, slots=True)
class Sketch:
    """A post before it belongs to an account.

    `scenes`: the pictures, separated by spaces; several make an album, and `film:` before one makes it a video.
    A "muted" video has no file, only a still, as with licensed audio.
    """

    scenes: str
    caption: str | None = None
    kind: Kind = "image"
    alt_text: str | None = None
    hides_likes: bool = False


def picture_path(scene: str, key: str) -> str:
    return f"{MEDIA_PREFIX}{scene}-{key}.jpg"


def compose(sketch: Sketch, username: str, index: int, published_at: datetime) -> dict[str, object]:
    """The post that `username` made of `sketch`; `index` tells the posts of an account apart."""
    key = f"{username}-{index}"
    scenes = sketch.scenes.split()
    timestamp = published_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+0000")
    is_reel = sketch.kind == "reel"
    if len(scenes) > 1:
        children = [compose_child(scene, f"{key}-{n}", timestamp) for n, scene in enumerate(scenes)]
        # Seen on v26.0 (August 2026): the album's own address is its first child's.
        cover = children[0]["media_url"]
        content: Row = {"media_type": "CAROUSEL_ALBUM", "media_url": cover, "children": children}
    elif sketch.kind == "image":
        content = _picture(scenes[0], key)
    elif sketch.kind == "muted":
        content = {**_film(scenes[0], key), "media_url": None, "media_audio_type": "MUSIC"}
    else:
        views = 200 + number_from(f"views:{key}", 20_000)
        content = {**_film(scenes[0], key), "media_audio_type": "ORIGINAL_SOUND", "view_count": views}
    return without_nulls(
        {
            "id": _media_id(key),
            "caption": sketch.caption,
            **content,
            "media_product_type": "REELS" if is_reel else "FEED",
            "permalink": f"https://www.instagram.com/{'reel' if is_reel else 'p'}/{_shortcode(key)}/",
            "shortcode": _shortcode(key),
            "timestamp": timestamp,
            "username": username,
            "comments_count": number_from(f"comments:{key}", 40),
            "like_count": None if sketch.hides_likes else 20 + number_from(f"likes:{key}", 900),
            "is_shared_to_feed": True if is_reel else None,
            "alt_text": sketch.alt_text,
        }
    )


def compose_child(scene: str, key: str, timestamp: object) -> dict[str, object]:
    """A child of an album. `key`: username, post and place, between dashes."""
    files = _film(scene.removeprefix("film:"), key) if scene.startswith("film:") else _picture(scene, key)
    username = key.rsplit("-", 2)[0]
    own = {"timestamp": timestamp, "username": username, "shortcode": _shortcode(key)}
    return {"id": _media_id(key), **files, **own}


def planted(given: Mapping[str, object], username: str, index: int, moment: datetime) -> dict[str, object]:
    """A post of which only the fields that matter are given; the rest is made up, and null leaves a field out."""
    is_video = given.get("media_type") == "VIDEO"
    made_up = compose(Sketch("shapes", kind="video" if is_video else "image"), username, index, moment)
    row = without_nulls({**made_up, **given})
    children = row.get("children")
    if isinstance(children, list):
        key, timestamp = f"{username}-{index}", row.get("timestamp")
        row["children"] = [_planted_child(child, f"{key}-{n}", timestamp) for n, child in enumerate(children)]
    return row


def _planted_child(given: object, key: str, timestamp: object) -> object:
    if not isinstance(given, dict):
        return given
    scene = "film:shapes" if given.get("media_type") == "VIDEO" else "shapes"
    return without_nulls({**compose_child(scene, key, timestamp), **given})


def without_nulls(row: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in row.items() if value is not None}


def tags_in(row: Row) -> Sequence[str]:
    """The hashtags of a post's caption, in lower case."""
    return re.findall(r"#(\w+)", str(row.get("caption", "")).lower())


def _picture(scene: str, key: str) -> dict[str, object]:
    return {"media_type": "IMAGE", "media_url": picture_path(scene, key)}


def _film(scene: str, key: str) -> dict[str, object]:
    film = f"{MEDIA_PREFIX}{scene}-{key}.mp4"
    return {"media_type": "VIDEO", "media_url": film, "thumbnail_url": picture_path(scene, key)}


def _media_id(key: str) -> str:
    return f"17900{number_from(f'id:{key}', 10**12):012}"


def _shortcode(key: str) -> str:
    digest = hashlib.sha256(f"code:{key}".encode("utf-8", "surrogatepass")).digest()
    return "D" + base64.urlsafe_b64encode(digest).decode()[:10]
