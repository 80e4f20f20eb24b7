"""The files behind the addresses in answers: pictures and films, refused like Meta's once their signature expired."""

from __future__ import annotations

import re

from instagram_standin.links import MEDIA_PREFIX
from instagram_standin.messages import Answer, Request, text_answer
from instagram_standin.pictures.clips import can_film
from instagram_standin.pictures.gallery import Gallery
from instagram_standin.world import World

_FILE = re.compile(r"(?P<seed>[A-Za-z0-9._-]{1,120})\.(?P<kind>jpg|mp4)", re.ASCII)
_RANGE = re.compile(r"bytes=(?P<first>[0-9]{0,12})-(?P<last>[0-9]{0,12})", re.ASCII)


class Cdn:
    def __init__(self, world: World) -> None:
        self._links = world.links
        self._gallery = Gallery()

    def answer(self, request: Request) -> Answer:
        if request.method not in ("GET", "HEAD"):
            return text_answer("Method not allowed", 405)
        refusal = self._links.refusal(request.query)
        if refusal is not None:
            return text_answer(refusal, 403)
        found = _FILE.fullmatch(request.path.removeprefix(MEDIA_PREFIX))
        if found is None or (found["kind"] == "mp4" and not can_film()):
            return text_answer("Not found", 404)
        if found["kind"] == "jpg":
            return _file(self._gallery.jpeg(found["seed"]), "image/jpeg", request)
        return _file(self._gallery.film(found["seed"]), "video/mp4", request)


def _file(content: bytes, kind: str, request: Request) -> Answer:
    headers = {"Content-Type": kind, "Cache-Control": "public, max-age=86400", "Accept-Ranges": "bytes"}
    asked = _RANGE.fullmatch(request.headers.get("range", ""))
    if asked is None or not (asked["first"] or asked["last"]):
        return Answer(200, content, headers)
    # Safari plays no film from a server that cannot serve a part of it.
    first, last = _span(asked["first"], asked["last"], len(content))
    if first > last:
        return Answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
    headers["Content-Range"] = f"bytes {first}-{last}/{len(content)}"
    return Answer(206, content[first : last + 1], headers)


def _span(first: str, last: str, length: int) -> tuple[int, int]:
    """The first and last byte of a range; `-500` means the last five hundred."""
    if not first:
        return max(length - int(last), 0), length - 1
    return int(first), min(int(last), length - 1) if last else length - 1
