"""The cached copy of a feed that readers use, reloaded from the database every half minute.

Accepted race: two writers may publish in the wrong order, and the older copy is then served until the next reload.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

import msgspec
from django.conf import settings

from foundation import cache
from foundation.cache import AwareDatetime
from foundation.prepared import Prepared
from paris_integration.feeds import pictures
from paris_integration.feeds.pictures import Reach
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

_feeds: Prepared[Feed] = Prepared(
    lambda **columns: Feed.objects.filter(**columns),
    workspace_id=UUID,
    instance_id=str,
    source_type=str,
    source_value=str,
    mode=str,
)
_ids: Prepared[tuple[UUID]] = Prepared(lambda pk: Feed.objects.filter(pk=pk).values_list("pk"), pk=UUID)


class FeedCopy(msgspec.Struct, frozen=True, array_like=True):
    """The columns of a feed row that readers need. `decode_posts` decodes `posts_encoded`.

    Posts and profile have links to the copies of pictures.
    """

    # Cached as an array. Add new fields at the end and with a default, so that this release and the previous one can
    # read each other's copies.

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
    reach: Reach = Reach()

    def __post_init__(self) -> None:
        decode_posts(self.posts_encoded)  # raises for unreadable posts, so that the cache drops the copy

    def state_at(self, now: datetime) -> FeedState:
        return state_of(self, now)


def find(key: FeedKey, mode: Mode) -> FeedCopy | None:
    """The feed of this key, or None if it has no row. Raises StoreAway when cache and database are both away."""
    return cache.remember(copy_key(key, mode), lambda: load(key, mode), FeedCopy, is_outdated=_is_gone)


def load(key: FeedKey, mode: Mode) -> FeedCopy | None:
    """The feed of this key from the database, or None."""
    row = _feeds.first(**key.columns, mode=mode.value)
    return copy_of(row) if row else None


def publish(row: Feed) -> None:
    """Cache the row's copy."""
    copy = copy_of(row)
    cache.store(row.copy_key, copy)
    # Disconnect, purge and widget deletion delete the row first and the copy second. Checking the row after storing
    # leaves no copy behind, whichever comes first.
    with suppress(cache.StoreAway):
        if cache.guarded_load(lambda: _is_gone(copy), patience_seconds=0):
            forget_copies([row])


def _is_gone(copy: FeedCopy | None) -> bool:
    """Whether the copy's row was deleted."""
    return copy is not None and not _ids.rows(pk=copy.feed_id)


def forget(key: FeedKey, mode: Mode) -> None:
    cache.forget(copy_key(key, mode))


def rows_without_posts(instance_ids: Iterable[str]) -> dict[tuple[FeedKey, Mode], Feed]:
    """The rows of these instances by key and mode, with posts and profile deferred."""
    rows = Feed.objects.filter(instance_id__in=list(instance_ids)).without_posts()
    return {(row.key, Mode(row.mode)): row for row in rows}


def copy_of(row: Feed) -> FeedCopy:
    copies = row.copies if settings.MEDIA_COPIES else "{}"
    return FeedCopy(
        feed_id=row.pk,
        fetched_at=row.fetched_at,
        blocked_until=row.blocked_until,
        jitter=row.jitter,
        fault=row.fault,
        data_warnings=tuple(row.data_warnings),
        last_read_at=row.last_read_at,
        profile=pictures.profile_with_copies(row.profile, copies),
        posts_encoded=pictures.posts_with_copies(row.posts_encoded, copies, row.fetched_at),
        backoff_set_at=row.backoff_set_at,
        paused_at=row.paused_at,
        paused_until=row.paused_until,
        slowed_until=row.slowed_until,
        reach=pictures.stored_reach(row.pictures_reach),
    )


def encode_posts(posts: Iterable[Post]) -> str:
    """Encode posts for storage: each as its wire JSON, plus what filtering needs without parsing it."""
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
    """The reverse of `encode_posts`. Cached, because a process reads the same feeds again and again."""
    return tuple(
        EncodedPost(
            id=post_id,
            filter_kind=kind,
            links_expire_at=datetime.fromtimestamp(expires, UTC) if expires is not None else None,
            json=text,
        )
        for post_id, kind, expires, text in _posts_decoder.decode(posts_encoded)
    )
