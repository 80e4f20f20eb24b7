"""The fast copy of a feed: what a read needs, in the shared cache, checked against the database every half minute.

It knows keys and stored forms, no policy. Two writers may publish in the wrong order; the older copy then lives until
the next check, at most.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec

from foundation import cache
from foundation.cache import AwareDatetime
from paris_integration.models import Feed
from paris_integration.models.feeds import copy_key, forget_copies, state_of
from paris_integration.types import (
    EncodedPost,
    ExternalProfile,
    FeedKey,
    FeedState,
    FilterKind,
    Mode,
    Post,
)


class FeedCopy(msgspec.Struct, frozen=True, array_like=True):
    """A feed row as readers need it, its times as they are stored. `posts_encoded` is decoded by `decode_posts`.

    It is cached as an array. New fields go to the end and have a default, so that copies of the previous release can
    be read, and this release's by the previous one.
    """

    feed_id: UUID
    fetched_at: AwareDatetime | None
    blocked_until: AwareDatetime | None
    jitter: float
    fault: str
    data_warnings: tuple[str, ...]
    last_read_at: AwareDatetime | None
    profile: ExternalProfile | None
    posts_encoded: str
    backoff_set_at: AwareDatetime | None = None
    paused_at: AwareDatetime | None = None
    paused_until: AwareDatetime | None = None
    slowed_until: AwareDatetime | None = None

    def __post_init__(self) -> None:
        """Refuse a copy whose posts cannot be read."""
        decode_posts(self.posts_encoded)

    def state_at(self, now: datetime) -> FeedState:
        return state_of(self, now)


def find(key: FeedKey, mode: Mode) -> FeedCopy | None:
    """The feed of this key, None when it has no row yet. Raises StoreAway when nobody can tell."""
    loaded: list[FeedCopy | None] = []

    def load_now() -> FeedCopy | None:
        loaded.append(load(key, mode))
        return loaded[-1]

    copy = cache.remember(copy_key(key, mode), load_now, FeedCopy)
    if loaded and copy is not None and _is_gone(copy.feed_id):
        forget(key, mode)
        return None
    return copy


def load(key: FeedKey, mode: Mode) -> FeedCopy | None:
    """The truth of this moment, from the database."""
    row = Feed.objects.of_key(key, mode).first()
    return copy_of(row) if row else None


def publish(row: Feed) -> None:
    """Put the row's copy where readers look first.

    Disconnect, purge and the deletion of a widget delete the row, then forget the copy. Looking once more after
    storing leaves no copy behind, whichever of the two comes first.
    """
    cache.store(row.copy_key, copy_of(row))
    if _is_gone(row.pk):
        forget_copies([row])


def _is_gone(feed_id: UUID) -> bool:
    """Whether the row was deleted; False while the database is away."""
    try:
        return not cache.guarded_load(lambda: Feed.objects.filter(pk=feed_id).exists())
    except cache.StoreAway:
        return False


def forget(key: FeedKey, mode: Mode) -> None:
    cache.forget(copy_key(key, mode))


def rows_without_posts(instance_ids: Iterable[str]) -> dict[tuple[FeedKey, Mode], Feed]:
    """The rows of these instances by key and mode; their posts are left in the database."""
    rows = Feed.objects.filter(instance_id__in=list(instance_ids)).without_posts()
    return {(row.key, Mode(row.mode)): row for row in rows}


def copy_of(row: Feed) -> FeedCopy:
    return FeedCopy(
        feed_id=row.pk,
        fetched_at=row.fetched_at,
        blocked_until=row.blocked_until,
        jitter=row.jitter,
        fault=row.fault,
        data_warnings=tuple(row.data_warnings),
        last_read_at=row.last_read_at,
        profile=row.profile,
        posts_encoded=row.posts_encoded,
        backoff_set_at=row.backoff_set_at,
        paused_at=row.paused_at,
        paused_until=row.paused_until,
        slowed_until=row.slowed_until,
    )


def encode_posts(posts: Iterable[Post]) -> str:
    """Posts as they are stored: their wire JSON, beside what a reader needs to choose among them."""
    return json.dumps(
        [
            [
                post.external["id"],
                post.filter_kind.value,
                int(post.links_expire_at.timestamp()) if post.links_expire_at else None,
                json.dumps(post.external, ensure_ascii=False, separators=(",", ":")),
            ]
            for post in posts
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )


_posts_decoder = msgspec.json.Decoder(list[tuple[str, FilterKind, int | None, str]])


@lru_cache(maxsize=128)
def decode_posts(posts_encoded: str) -> tuple[EncodedPost, ...]:
    """The reverse of `encode_posts`; kept per process, as the same text is asked for again and again."""
    return tuple(
        EncodedPost(
            id=post_id,
            filter_kind=kind,
            links_expire_at=datetime.fromtimestamp(expires, UTC) if expires is not None else None,
            json=text,
        )
        for post_id, kind, expires, text in _posts_decoder.decode(posts_encoded)
    )
