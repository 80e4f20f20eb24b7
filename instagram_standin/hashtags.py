"""Hashtags: which there are, what was posted under them, and how many of them an account has asked for.

`sourdough` and `hiking` are busy; `stoneware` has nothing of the last day and `quietmoments` nothing at all;
`restricted` is blocked; every tag beginning `load` is busy. New posts appear as time goes by: a post belongs to a
moment counted from the epoch, so that it keeps its id while it moves down the page.

Source: "Hashtag search" (2024-01-26).
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from instagram_standin.posts import Kind, Row, Sketch, compose, number_from

DAY_SECONDS = 86_400
WINDOW_SECONDS = 7 * DAY_SECONDS
TAGS_PER_WINDOW = 30
LOAD_PREFIX = "load"
_TAG = re.compile(r"\w{1,100}")


@dataclass(frozen=True, slots=True)
class Tag:
    """`minutes_between`: recent posts, None for none. `planted_*`: rows that take the place of the made-up ones."""

    name: str
    scenes: Sequence[str] = ()
    minutes_between: int | None = 41
    top_count: int = 12
    is_blocked: bool = False
    planted_recent: Sequence[Row] | None = None
    planted_top: Sequence[Row] | None = None

    @property
    def id(self) -> str:
        """Static and the same for all apps and users, as at Meta."""
        return f"17843{number_from(f'hashtag:{self.name}', 10**12):012}"


TAGS = (
    Tag("sourdough", ("bread", "wheat", "baguettes", "croissants", "shop", "coffee")),
    Tag("hiking", ("mountains", "trail", "forest", "lake", "sea", "night"), minutes_between=23, top_count=60),
    Tag("stoneware", ("vases", "shapes", "arches"), minutes_between=None),
    Tag("quietmoments", ("plant",), minutes_between=None, top_count=0),
    Tag("restricted", is_blocked=True),
)
_WORDS = (
    "Today’s #{tag} ✨",
    "Could not be happier with this one. #{tag}",
    None,
    "#{tag} #weekend — mit Liebe gemacht",
    "Ein Tag wie dieser. #{tag}",
    "第一次 #{tag}",
)
_KINDS = {3: Kind.REEL, 5: Kind.ALBUM, 8: Kind.MUTED}


class TooManyTags(Exception):
    """The account has asked for thirty others within seven days."""


class Hashtags:
    """`unknown_is_empty`: an unknown tag is answered with an empty list, instead of code 24; both were reported.

    `has_feature`: whether the app was granted Instagram Public Content Access.
    """

    def __init__(self) -> None:
        self.unknown_is_empty = False
        self.has_feature = True
        self._tags: dict[str, Tag] = {}
        self._asked: dict[str, dict[str, float]] = {}
        self._places: dict[tuple[str, ...], int] = {}
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        self.unknown_is_empty, self.has_feature = False, True
        with self._lock:
            self._tags = {tag.name: tag for tag in TAGS}
            self._asked.clear()
            self._places.clear()

    # Tags

    def put(self, tag: Tag) -> None:
        """Add the tag, in place of one of the same name."""
        with self._lock:
            self._tags[tag.name] = tag

    def plant(self, name: str, given: object) -> Tag:
        """Add a tag described in JSON: `{"recent": [media], "top": [media], "is_blocked": false}`.

        A medium says what matters, as in Profiles.plant; recent ones are a minute apart unless they have a `timestamp`.
        Raises ValueError when that is no description of a tag.
        """
        name = name.lower()
        if not _TAG.fullmatch(name):
            raise ValueError("not a tag")
        if not isinstance(given, dict) or given.keys() - {"recent", "top", "is_blocked"}:
            raise ValueError("a tag is an object of recent, top and is_blocked")
        tag = Tag(
            name=name,
            is_blocked=given.get("is_blocked") is True,
            planted_recent=_planted(given.get("recent", []), name, "recent"),
            planted_top=_planted(given.get("top", []), name, "top"),
        )
        self.put(tag)
        return tag

    def find(self, name: str) -> Tag | None:
        """By name, in any case; blocked tags too."""
        known = name.lower()
        with self._lock:
            if known not in self._tags and known.startswith(LOAD_PREFIX) and _TAG.fullmatch(known):
                self._tags[known] = Tag(known, ("shapes", "sea", "coffee", "plant"))
            return self._tags.get(known)

    def find_by_id(self, tag_id: str) -> Tag | None:
        with self._lock:
            found = next((tag for tag in self._tags.values() if tag.id == tag_id), None)
        return None if found is None or found.is_blocked else found

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._tags)

    # The thirty

    def ask(self, account_id: str, tag: Tag) -> None:
        """Count the tag for the account; one asked for within the window is free. Raises TooManyTags."""
        now = time.time()
        with self._lock:
            asked = self._within(account_id, now)
            if tag.id not in asked and len(asked) >= TAGS_PER_WINDOW:
                raise TooManyTags
            asked.setdefault(tag.id, now)

    def asked(self, account_id: str) -> list[str]:
        """The ids of the tags that count now, newest first."""
        with self._lock:
            return list(reversed(self._within(account_id, time.time())))

    def use_up(self, account_id: str, count: int = TAGS_PER_WINDOW) -> None:
        """As if the account had asked for that many other tags just now."""
        for number in range(count):
            self.ask(account_id, Tag(f"{LOAD_PREFIX}_used_{number}"))

    def age(self, seconds: float) -> None:
        """As if all that was asked had been asked so much earlier."""
        with self._lock:
            for asked in self._asked.values():
                for tag_id in asked:
                    asked[tag_id] -= seconds

    def _within(self, account_id: str, now: float) -> dict[str, float]:
        asked = self._asked.get(account_id, {})
        self._asked[account_id] = {tag_id: at for tag_id, at in asked.items() if at > now - WINDOW_SECONDS}
        return self._asked[account_id]

    # Readers

    def turn_pages(self, reader: tuple[str, ...], start: int | None, length: int) -> int:
        """Where the page of this reader begins, who then stands `length` further on.

        `start` None is where they stood: the cursor is the same on every page and yet advances, so that somebody has to
        remember.
        """
        with self._lock:
            begin = self._places.get(reader, 0) if start is None else start
            self._places[reader] = begin + length
            return begin


def recent_rows(tag: Tag, now: float) -> Sequence[Row]:
    """What was posted within the last 24 hours, newest first."""
    if tag.planted_recent is not None:
        earliest = now - DAY_SECONDS
        return [row for row in tag.planted_recent if not _is_before(row, earliest)]
    if tag.minutes_between is None:
        return []
    step = tag.minutes_between * 60
    newest = int(now) // step
    return [
        _post(tag, "recent", slot, slot * step) for slot in range(newest, int(now - DAY_SECONDS) // step, -1)
    ]


def top_rows(tag: Tag, now: float) -> Sequence[Row]:
    """The best liked, whenever they were posted."""
    if tag.planted_top is not None:
        return tag.planted_top
    newest = int(now) // DAY_SECONDS - 2
    rows = [_post(tag, "top", slot, slot * DAY_SECONDS) for slot in range(newest, newest - tag.top_count, -1)]
    return sorted(rows, key=lambda row: -_likes(row))


def _likes(row: Row) -> int:
    likes = row.get("like_count")
    return likes if isinstance(likes, int) else 0


def _post(tag: Tag, edge: str, slot: int, published_at: int) -> Row:
    words = _WORDS[slot % len(_WORDS)]
    scenes = [tag.scenes[(slot + turn) % len(tag.scenes)] for turn in range(3)]
    sketch = Sketch(
        scene=scenes[0],
        caption=words.format(tag=tag.name) if words else None,
        kind=_KINDS.get(slot % 11, Kind.IMAGE),
        children=scenes,
        hides_likes=slot % 13 == 6,
    )
    moment = datetime.fromtimestamp(published_at, UTC)
    return _as_hashtags_tell(compose(sketch, f"{edge}.{tag.name}", slot, moment))


def _as_hashtags_tell(row: Row) -> Row:
    """Albums come without an address of their own."""
    return {
        name: value
        for name, value in row.items()
        if name != "media_url" or row.get("media_type") != "CAROUSEL_ALBUM"
    }


def _planted(given: object, name: str, edge: str) -> Sequence[Row]:
    if not isinstance(given, list) or not all(isinstance(medium, dict) for medium in given):
        raise ValueError(f"{edge} is a list of media")
    now = time.time()
    rows = []
    for place, medium in enumerate(given):
        moment = datetime.fromtimestamp(now - 60 * place, UTC)
        made_up = _as_hashtags_tell(compose(Sketch("shapes"), f"{edge}.{name}", place, moment))
        rows.append({key: value for key, value in {**made_up, **medium}.items() if value is not None})
    return rows


def _is_before(row: Mapping[str, object], moment: float) -> bool:
    """What has no date that can be read is recent enough."""
    try:
        return datetime.strptime(str(row.get("timestamp")), "%Y-%m-%dT%H:%M:%S%z").timestamp() < moment
    except ValueError:
        return False
