"""A small server in place of the service: it answers with the feeds and pictures that a test gives, when the test says.

The service is at 127.0.0.1, the pages at localhost, so that browsers treat them as different sites.
"""

from __future__ import annotations

import functools
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

from venice_api.embed.scripts import FILES

STATIC = {
    **{f"/embed/{name}.js": Path("venice_api/static/embed", file) for name, file in FILES.items()},
    "/static/embed/frame.css": Path("venice_api/static/embed/frame.css"),
    "/static/embed/frame.js": Path("venice_api/static/embed/frame.js"),
    "/static/demo/publisher.css": Path("demo/static/demo/publisher.css"),
}
KINDS = {".js": "text/javascript", ".css": "text/css", ".jpg": "image/jpeg", ".avif": "image/avif"}
FEED_PATH = "/v1/integrations/instagram/feed"
SIZES = {"small": 320, "medium": 640, "large": 1080}
PLACEHOLDER = "#8a5a2b"
Post = dict[str, Any]
# The looks of a feed whose editor has saved the defaults.
APPEARANCE: dict[str, Any] = {
    "layout": "grid",
    "columns": {"wide": 4, "narrow": 2},
    "gap": 10,
    "radius": 10,
    "tileRatio": "1:1",
    "header": True,
    "headerText": "",
    "followButton": False,
    "captions": "hover",
    "captionLength": 150,
    "showDate": False,
    "click": "lightbox",
    "theme": "auto",
    "pageSize": 0,
}


@dataclass
class Canned:
    """`feeds` by token, `pages` by path, `refused`: endings of addresses that are not found.

    The script and the feeds wait for their events. `asked` lists the requests' paths.
    """

    port: int = 0
    feeds: dict[str, dict[str, Any]] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    refused: tuple[str, ...] = ()
    may_send_script: threading.Event = field(default_factory=threading.Event)
    may_send_feeds: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.refused = ()
        self.asked.clear()
        self.may_send_script.set()
        self.may_send_feeds.set()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def page(self, body: str, *, path: str = "/") -> str:
        """The address of a page with this body."""
        self.pages[path] = (
            "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
            f"<title>Shop</title><link rel=icon href='data:,'><body>{body}"
        )
        return f"http://localhost:{self.port}{path}"

    def feed_page(self, posts: list[Post], *, attributes: str = "", **answer: Any) -> str:
        """The address of a page with one feed."""
        self.feeds["t"] = feed(posts, **answer)
        script = f"<script src='{self.base_url}/embed/widget.js'></script>"
        return self.page(f"{script}<instagram-feed token=t {attributes}></instagram-feed>")

    def sizes(self, name: str, width: int = 1080, height: int = 1080) -> dict[str, Any]:
        """The copies of a picture of this size."""
        return {size: self._size(name, min(wanted, width), width, height) for size, wanted in SIZES.items()}

    def _size(self, name: str, shown: int, width: int, height: int) -> dict[str, Any]:
        shown_height = round(height * shown / width)
        address = f"{self.base_url}/media/{name}-{shown}-{shown_height}"
        return {"url": f"{address}.jpg", "avifUrl": f"{address}.avif", "width": shown, "height": shown_height}

    def post(self, number: int, width: int = 1080, height: int = 1080, **changes: Any) -> Post:
        """A copied image."""
        sizes = self.sizes(f"p{number}", width, height)
        return {
            "id": str(number),
            "mediaType": "IMAGE",
            "permalink": f"https://www.instagram.com/p/{number}/",
            "timestamp": "2026-11-20T10:00:00Z",
            "caption": f"Caption {number}",
            "altText": f"Picture {number}",
            "mediaUrl": sizes["large"]["url"],
            "thumbnailUrl": sizes["medium"]["url"],
            "width": width,
            "height": height,
            "placeholder": PLACEHOLDER,
            "sizes": sizes,
            **changes,
        }

    def pictures_asked(self) -> list[str]:
        return [path.removeprefix("/media/") for path in self.asked if path.startswith("/media/")]


def feed(posts: list[Post], **answer: Any) -> dict[str, Any]:
    return {
        "posts": posts,
        "lastUpdated": "2026-11-23T12:00:00Z",
        "stale": False,
        "sourceEcho": {"type": "profile", "value": "acme.bakery"},
        "profile": {"username": "acme.bakery"},
        "warnings": [],
        **answer,
    }


@contextmanager
def canned_service() -> Iterator[Canned]:
    canned = Canned()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            canned.asked.append(address.path)
            if address.path == "/embed/widget.js":
                canned.may_send_script.wait(10)
            if address.path == FEED_PATH:
                canned.may_send_feeds.wait(10)
            kind, content = _find(canned, address.path, parse_qs(address.query))
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content or b"")))
            self.send_header("Access-Control-Allow-Origin", "*")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: Any) -> None:
            pass  # browsers close connections as they like

    with Server(("127.0.0.1", 0), Handler) as server:
        canned.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield canned
        server.shutdown()


def _find(canned: Canned, path: str, query: dict[str, list[str]]) -> tuple[str, bytes | None]:
    """The content type and the body; no body if there is nothing at this address."""
    kind = KINDS.get(Path(path).suffix, "text/html; charset=utf-8")
    if canned.refused and path.endswith(canned.refused):
        return kind, None
    if path == FEED_PATH:
        return "application/json", json.dumps(canned.feeds[query["token"][0]]).encode()
    if path in STATIC:
        return kind, STATIC[path].read_bytes()
    if path.startswith("/media/"):
        _, width, height = Path(path).stem.rsplit("-", 2)
        return kind, _picture(int(width), int(height), "AVIF" if path.endswith("avif") else "JPEG")
    page = canned.pages.get(path)
    return kind, page.encode() if page is not None else None


@functools.cache
def _picture(width: int, height: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (width, height), PLACEHOLDER).save(file, kind)
    return file.getvalue()
