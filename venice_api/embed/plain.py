"""A feed as plain HTML values, for the pages that work without JavaScript."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from paris_integration import public as paris
from venice_api.instances import Instance

MAX_ALT_TEXT = 300


@dataclass(frozen=True, slots=True)
class PlainPost:
    """`jpegs`, `avifs`: values of `srcset`, "" without copies. `alt_text`: never empty."""

    permalink: str
    picture: str
    width: int
    height: int
    jpegs: str
    avifs: str
    alt_text: str
    caption: str
    author: str
    published_at: datetime | None


def read_plain(instance: Instance) -> tuple[paris.FeedView, list[PlainPost]]:
    """The widget's feed as visitors get it. Raises StoreUnavailable."""
    view = paris.read_feed(instance.feed_key(), instance.selection(), now=timezone.now())
    author = view.profile["username"] if view.profile else ""
    return view, [_plain(json.loads(post.json), author) for post in view.posts]


def _plain(post: paris.ExternalPost, author: str) -> PlainPost:
    caption = post.get("caption", "")
    copies = post.get("sizes")
    sizes = [copies["small"], copies["medium"], copies["large"]] if copies else []
    return PlainPost(
        permalink=post["permalink"],
        picture=post.get("thumbnailUrl", ""),
        width=post.get("width", 640),
        height=post.get("height", 640),
        jpegs=", ".join(f"{size['url']} {size['width']}w" for size in sizes),
        avifs=", ".join(f"{size['avifUrl']} {size['width']}w" for size in sizes),
        alt_text=(post.get("altText") or caption or "A post on Instagram")[:MAX_ALT_TEXT],
        caption=caption,
        author=post.get("username", author),
        published_at=parse_datetime(post["timestamp"]),
    )
