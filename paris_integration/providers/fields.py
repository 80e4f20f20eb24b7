"""The fields requested by each kind of call, and those that Meta has refused within the last day.

Sources: IG Media and IG User reference (2026-06-22), "Business Discovery" (2026-08-12), "Hashtag search" (2024-01-26).
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
Kind = tuple[Login, str]  # one login's calls of one type: a field refused to one kind often works for others

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
# `alt_text` exists on pictures and on an album's children (changelog, 2025-03-24).
CHILD_FIELDS = ("id", "media_type", "media_url", "thumbnail_url", "alt_text")
OWN_MEDIA: Fields = {Level.POST: MEDIA_FIELDS, Level.CHILD: CHILD_FIELDS}
# The reference doesn't mark `profile_picture_url` as public, but v26.0 returns it (August 2026).
DISCOVERY: Fields = {**OWN_MEDIA, Level.ACCOUNT: ("username", "profile_picture_url", "media_count")}
# Hashtag media have no author, thumbnail or alternative text.
HASHTAG: Fields = {
    Level.POST: ("id", "caption", "media_type", "media_url", "permalink", "timestamp", "children"),
    Level.CHILD: ("id", "media_type", "media_url"),
}
# Without these fields no post can be shown, and an empty feed would replace a good one.
_REQUIRED: Mapping[Level, frozenset[str]] = {
    Level.ACCOUNT: frozenset({"username"}),
    Level.POST: frozenset({"id", "media_type", "media_url", "permalink", "timestamp"}),
    Level.CHILD: frozenset({"id"}),
}
# Meta's error names the field but not its level, so the levels are tried in this order.
_GUESSES = (
    frozenset({Level.ACCOUNT}),
    frozenset({Level.CHILD}),
    frozenset({Level.POST}),
    frozenset({Level.CHILD, Level.POST}),
)


class RefusedFields:
    """Remembers refused fields per process. Thread-safe."""

    def __init__(self) -> None:
        self._refused_at: dict[tuple[Kind, Level, str], datetime] = {}
        self._lock = threading.Lock()

    def without(self, kind: Kind, fields: Fields) -> Fields:
        """`fields` without those refused to this kind of call within a day."""
        now = datetime.now(UTC)
        with self._lock:
            return {
                level: tuple(name for name in names if not self._is_refused(kind, level, name, now))
                for level, names in fields.items()
            }

    def refuse(self, kind: Kind, name: str, *, asked: Fields, fields: Fields) -> bool:
        """Record that Meta refused `name` to a call with the fields `asked`. Returns whether to try again without it.

        Leaves the field out at the next combination of levels in `_GUESSES`.
        """
        levels = frozenset(
            level for level, names in fields.items() if name in names and name not in _REQUIRED[level]
        )
        left_out = frozenset(level for level in levels if name not in asked[level])
        now = datetime.now(UTC)
        with self._lock:
            current = frozenset(level for level in levels if self._is_refused(kind, level, name, now))
            if current != left_out:
                return True  # another thread has moved on to the next guess: try that one
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
        # A time in the future was written by a wrong clock.
        return at is not None and at <= now < at + ASKED_AGAIN_AFTER
