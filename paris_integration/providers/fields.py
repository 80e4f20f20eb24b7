"""Which fields each kind of call asks for, and which of them Meta has refused within the last day.

Sources: IG Media and IG User reference (2026-06-22) and "Business Discovery" (2026-08-12) for what may be read by
expansion; "Hashtag search" (2024-01-26) for tags. `profile_picture_url` carries no "public" mark, but came back on
v26.0 (August 2026). `alt_text` exists on pictures and on an album's children (changelog, 2025-03-24).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from paris_integration.types import Login

logger = logging.getLogger(__name__)

ASKED_AGAIN_AFTER = timedelta(days=1)


class Level(StrEnum):
    ACCOUNT = "account"
    POST = "post"
    CHILD = "child"  # of an album


Fields = Mapping[Level, tuple[str, ...]]
Kind = tuple[Login, str]  # one login's calls of one type: what is refused to one is often given to the others

MEDIA_FIELDS = (
    "id",
    "caption",
    "media_type",
    "media_product_type",
    "media_url",
    "thumbnail_url",
    "permalink",
    "timestamp",
    "username",
    "alt_text",
    "is_shared_to_feed",
    "children",
)
CHILD_FIELDS = ("id", "media_type", "media_url", "thumbnail_url", "alt_text")
OWN_MEDIA: Fields = {Level.POST: MEDIA_FIELDS, Level.CHILD: CHILD_FIELDS}
DISCOVERY: Fields = {**OWN_MEDIA, Level.ACCOUNT: ("username", "profile_picture_url", "media_count")}
# No author, no thumbnail, no alternative text.
HASHTAG: Fields = {
    Level.POST: ("id", "caption", "media_type", "media_url", "permalink", "timestamp", "children"),
    Level.CHILD: ("id", "media_type", "media_url"),
}
# Without these no post could be shown, and a feed of none would replace a good one.
_REQUIRED: Mapping[Level, frozenset[str]] = {
    Level.ACCOUNT: frozenset({"username"}),
    Level.POST: frozenset({"id", "media_type", "media_url", "permalink", "timestamp"}),
    Level.CHILD: frozenset({"id"}),
}
# Meta names the field and not its level, so that the levels are tried one after the other.
_GUESSES = (
    frozenset({Level.ACCOUNT}),
    frozenset({Level.CHILD}),
    frozenset({Level.POST}),
    frozenset({Level.CHILD, Level.POST}),
)


class RefusedFields:
    """The memory of a process; safe to use from many threads."""

    def __init__(self) -> None:
        self._refused_at: dict[tuple[Kind, Level, str], datetime] = {}
        self._lock = threading.Lock()

    def without(self, kind: Kind, fields: Fields) -> Fields:
        """What to ask for: `fields` without those refused to this kind of call within a day."""
        now = datetime.now(UTC)
        with self._lock:
            return {
                level: tuple(name for name in names if not self._is_refused(kind, level, name, now))
                for level, names in fields.items()
            }

    def refuse(self, kind: Kind, name: str, *, asked: Fields, fields: Fields) -> bool:
        """Meta refused `name` to a call that asked for `asked`; whether there is something else to ask for.

        The levels where the field can be left out are tried in the order of `_GUESSES`. When another thread has moved
        on from what was asked here, its guess is as good.
        """
        levels = frozenset(
            level for level, names in fields.items() if name in names and name not in _REQUIRED[level]
        )
        left_out = frozenset(level for level in levels if name not in asked[level])
        now = datetime.now(UTC)
        with self._lock:
            current = frozenset(level for level in levels if self._is_refused(kind, level, name, now))
            if current != left_out:
                return True
            guesses = [guess for guess in _GUESSES if guess <= levels]
            place = guesses.index(left_out) + 1 if left_out else 0
            if place == len(guesses):
                return False
            for level in levels:
                if level in guesses[place]:
                    self._refused_at[kind, level, name] = now
                else:
                    self._refused_at.pop((kind, level, name), None)
        where = " and ".join(sorted(guesses[place]))
        logger.warning("the provider refuses the field %s to %s %s: leaving it out of %s", name, *kind, where)
        return True

    def _is_refused(self, kind: Kind, level: Level, name: str, now: datetime) -> bool:
        at = self._refused_at.get((kind, level, name))
        # A time ahead of now comes from a wrong clock.
        return at is not None and at <= now < at + ASKED_AGAIN_AFTER
