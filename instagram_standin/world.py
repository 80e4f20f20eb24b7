"""The accounts the stand-in knows: a small believable world, the same at every start of a day."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

Media = dict[str, Any]
LINKS_LIVE = timedelta(days=4)
LOAD_PREFIX = "load."

_BAKERY_CAPTIONS = (
    "Sourdough Monday: 48 hours of patience, 40 minutes of oven. #bread",
    "Cardamom knots, still warm ☕",
    "New on the shelf: rye with caraway and a crust that talks back.",
    "Crêpes, croissants, and one very proud apprentice 🥐",
    "Flour day. Everybody is white by nine.",
    "The first strawberries went straight onto the tarts.",
    "Kommt vorbei: Zimtschnecken um acht!",
    "Rain outside, cinnamon inside.",
    "Last loaf of the day. Who comes running?",
    "パンの香り、朝の光。",
)
_TRAIL_CAPTIONS = (
    "Fog below, sun above.",
    "Mile 14, and the coffee is gone.",
    "The old mill path, open again after the flood.",
    "Snow on the pass already ❄️",
    "A hut, a stove, a long evening.",
)


@dataclass
class Account:
    """A professional account; `media` newest first. `picture` None: no profile picture."""

    username: str
    ig_user_id: str
    name: str
    media: list[Media]
    picture: str | None = None


@dataclass
class World:
    """Accounts by username. `public_url`: where this server's pictures are to be had."""

    public_url: str
    accounts: dict[str, Account] = field(default_factory=dict)
    personal: set[str] = field(default_factory=lambda: {"jane.private"})
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self.accounts = {account.username: account for account in _demo_accounts(self.public_url)}

    def find(self, username: str) -> Account | None:
        """The professional account of this name; names that begin with `load.` exist when they are asked for."""
        with self._lock:
            if username.startswith(LOAD_PREFIX) and username not in self.accounts:
                self.accounts[username] = _account(
                    self.public_url, username, "Load", 12, ("A post.",), _only_images
                )
            return self.accounts.get(username)

    def put(self, username: str, media: list[Media]) -> None:
        with self._lock:
            self.accounts[username] = Account(username, account_id(username), username, media)


def account_id(username: str) -> str:
    return f"17841{_number(username) % 10**12:012d}"


def _demo_accounts(public_url: str) -> list[Account]:
    return [
        _account(public_url, "acme.bakery", "Acme Bakery", 40, _BAKERY_CAPTIONS, _mixed),
        _account(public_url, "northern.trails", "Northern Trails", 130, _TRAIL_CAPTIONS, _only_images),
        _account(public_url, "tiny.studio", "Tiny Studio", 3, ("One.", "Two.", "Three."), _only_images),
        _account(public_url, "quiet.account", "Quiet", 0, ("",), _only_images),
    ]


def _account(
    public_url: str,
    username: str,
    name: str,
    posts: int,
    captions: tuple[str, ...],
    make: Callable[[str, str, int], Media],
) -> Account:
    newest = datetime.now(UTC).replace(hour=7, minute=15, second=4, microsecond=0) - timedelta(days=1)
    media = []
    for number in range(posts):
        post = make(public_url, username, number)
        post |= {
            "id": f"179{_number(f'{username}/{number}') % 10**14:014d}",
            "username": username,
            "timestamp": (newest - timedelta(hours=31 * number)).strftime("%Y-%m-%dT%H:%M:%S+0000"),
            "like_count": _number(f"{username}{number}") % 400,
            "comments_count": number % 7,
            "shortcode": _shortcode(username, number),
        }
        if number % 10 != 9:
            post["caption"] = captions[number % len(captions)]
        media.append(post)
    picture = f"{public_url}/media/{username}-portrait.jpg"
    return Account(username, account_id(username), name, media, picture)


def _only_images(public_url: str, username: str, number: int) -> Media:
    return {
        "media_type": "IMAGE",
        "media_product_type": "FEED",
        "media_url": _picture(public_url, f"{username}-{number}"),
        "permalink": f"https://www.instagram.com/p/{_shortcode(username, number)}/",
        **({"alt_text": f"Picture {number + 1} of {username}"} if number % 3 == 0 else {}),
    }


def _mixed(public_url: str, username: str, number: int) -> Media:
    """Images, with a reel now and then, an album, and a film whose file Meta withholds for its licensed music."""
    seed = f"{username}-{number}"
    if number % 6 == 2:
        reel = {
            "media_type": "VIDEO",
            "media_product_type": "REELS",
            "thumbnail_url": _picture(public_url, seed),
            "permalink": f"https://www.instagram.com/reel/{_shortcode(username, number)}/",
            "is_shared_to_feed": True,
        }
        return reel if number == 8 else reel | {"media_url": f"{public_url}/media/{seed}.mp4{_signature()}"}
    if number % 6 == 4:
        children = [
            {
                "id": f"178{_number(f'{seed}/{child}') % 10**14:014d}",
                "media_type": "IMAGE",
                "media_url": _picture(public_url, f"{seed}-{child}"),
            }
            for child in range(3)
        ]
        return {
            "media_type": "CAROUSEL_ALBUM",
            "media_product_type": "FEED",
            "media_url": children[0]["media_url"],
            "permalink": f"https://www.instagram.com/p/{_shortcode(username, number)}/",
            "children": {"data": children},
        }
    return _only_images(public_url, username, number)


def _picture(public_url: str, seed: str) -> str:
    return f"{public_url}/media/{seed}.jpg{_signature()}"


def _signature() -> str:
    """As Meta's CDN does it: `oe` is the expiry, in hexadecimal Unix seconds."""
    expires = int(time.time() + LINKS_LIVE.total_seconds())
    return f"?oh=00_{expires % 9973:04d}&oe={expires:X}"


def _shortcode(username: str, number: int) -> str:
    return hashlib.sha256(f"{username}/{number}".encode()).hexdigest()[:11]


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
