"""Hashtags: which there are, what was posted under them, and how many of them an account has asked for.

A tag shows the posts of all professional accounts whose captions have it, and, where it is busy, posts of strangers.
A stranger's post belongs to a moment counted from the epoch, so it keeps its id while it moves down the page.
Source: "Hashtag search" (2024-01-26).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from instagram_standin.accounts import Profiles
from instagram_standin.media import Kind, Row, Sketch, compose, tags_in
from instagram_standin.tokens import number_from

DAY_SECONDS = 86_400
WINDOW_SECONDS = 7 * DAY_SECONDS
TAGS_PER_WINDOW = 30
LOAD_PREFIX = "load"
_TAG = re.compile(r"\w{1,100}")
_WORDS = (
    "Today’s #{tag} ✨",
    "Happy with this one. #{tag}",
    None,
    "Ein Tag wie dieser. #{tag}",
    "第一次 #{tag}",
)
_KINDS: dict[int, Kind] = {3: "reel", 8: "muted"}


@dataclass(frozen=True, slots=True)
class Tag:
    """`scenes`: what strangers show, between spaces. `minutes_between`: their recent posts, None for none."""

    name: str
    scenes: str = ""
    minutes_between: int | None = None
    top_count: int = 12
    is_blocked: bool = False

    @property
    def id(self) -> str:
        """The same for all apps and users, as at Meta."""
        return f"17843{number_from(f'hashtag:{self.name}', 10**12):012}"


class TooManyTags(ValueError):
    """The account has asked for thirty other tags within seven days."""


class Hashtags:
    """Tags that begin with `load` are all busy."""

    def __init__(self, tags: Iterable[Tag], profiles: Profiles) -> None:
        self._tags = {tag.name: tag for tag in tags}
        self._profiles = profiles
        self._asked: dict[str, dict[str, float]] = {}
        self._places: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> Tag | None:
        """By name, in any case; blocked tags too."""
        known = name.lower()
        if known not in self._tags and _TAG.fullmatch(known):
            if known.startswith(LOAD_PREFIX):
                self._tags[known] = Tag(known, "shapes sea coffee plant", minutes_between=41)
            elif self._posts_with(known):
                self._tags[known] = Tag(known)
        return self._tags.get(known)

    def find_by_id(self, tag_id: str) -> Tag | None:
        found = next((tag for tag in list(self._tags.values()) if tag.id == tag_id), None)
        return None if found is None or found.is_blocked else found

    def rows(self, tag: Tag, edge: str, now: float) -> Sequence[Row]:
        """`recent_media`: of the last 24 hours, newest first. `top_media`: the best liked of any time."""
        posts = self._posts_with(tag.name) + _strangers_posts(tag, edge, now)
        if edge == "top_media":
            return sorted(posts, key=_likes, reverse=True)
        earliest = datetime.fromtimestamp(now, UTC) - timedelta(days=1)
        return sorted((row for row in posts if _moment(row) >= earliest), key=_moment, reverse=True)

    def _posts_with(self, name: str) -> list[Row]:
        shown = (profile for profile in self._profiles.all() if profile.is_professional)
        return [post for profile in shown for post in profile.posts if name in tags_in(post)]

    # The thirty

    def ask(self, account_id: str, tag: Tag) -> None:
        """Count the tag for the account; one asked for within the window is free. Raises TooManyTags."""
        with self._lock:
            asked = self._within(account_id)
            if tag.id not in asked and len(asked) >= TAGS_PER_WINDOW:
                raise TooManyTags(f"no more than {TAGS_PER_WINDOW} tags")
            asked.setdefault(tag.id, time.time())

    def asked(self, account_id: str) -> list[str]:
        """The ids of the tags that count now, newest first."""
        with self._lock:
            return list(reversed(self._within(account_id)))

    def use_up(self, account_id: str, count: int = TAGS_PER_WINDOW) -> None:
        """As if the account had asked for that many other tags just now. Raises TooManyTags."""
        for number in range(count):
            self.ask(account_id, Tag(f"{LOAD_PREFIX}_used_{number}"))

    def age(self, seconds: float) -> None:
        """As if all accounts had asked so much earlier."""
        with self._lock:
            for asked in self._asked.values():
                asked.update({tag_id: at - seconds for tag_id, at in asked.items()})

    def _within(self, account_id: str) -> dict[str, float]:
        earliest = time.time() - WINDOW_SECONDS
        asked = {tag_id: at for tag_id, at in self._asked.get(account_id, {}).items() if at > earliest}
        self._asked[account_id] = asked
        return asked

    def turn_pages(self, reader: tuple[str, ...], start: int | None, length: int) -> int:
        """Where this reader's page begins. `start` None is where their last page ended.

        The cursor is the same on every page and yet advances, so the server has to remember.
        """
        with self._lock:
            begin = self._places.get(reader, 0) if start is None else start
            self._places[reader] = begin + length
            return begin


def _strangers_posts(tag: Tag, edge: str, now: float) -> list[Row]:
    if edge == "recent_media":
        if tag.minutes_between is None:
            return []
        step = tag.minutes_between * 60
        slots = range(int(now) // step, int(now - DAY_SECONDS) // step, -1)
    else:
        step, newest = DAY_SECONDS, int(now) // DAY_SECONDS - 2
        slots = range(newest, newest - tag.top_count, -1)
    return [_strangers_post(tag, edge, slot, slot * step) for slot in slots] if tag.scenes else []


def _strangers_post(tag: Tag, edge: str, slot: int, published_at: int) -> Row:
    words, scenes = _WORDS[slot % len(_WORDS)], tag.scenes.split()
    first, second = scenes[slot % len(scenes)], scenes[(slot + 1) % len(scenes)]
    shown = f"{first} {second} {first}" if slot % 11 == 5 else first
    caption = words.format(tag=tag.name) if words else None
    sketch = Sketch(shown, caption, _KINDS.get(slot % 11, "image"), hides_likes=slot % 13 == 6)
    return compose(sketch, f"{edge}.{tag.name}", slot, datetime.fromtimestamp(published_at, UTC))


def _moment(row: Row) -> datetime:
    """A post whose date cannot be read counts as new."""
    try:
        return datetime.strptime(str(row.get("timestamp")), "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return datetime.now(UTC)


def _likes(row: Row) -> int:
    likes = row.get("like_count")
    return likes if isinstance(likes, int) else 0
