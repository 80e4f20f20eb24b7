"""Removes pictures that no feed uses, and repairs what a killed process or a failing storage left behind.

`remove_unused` runs every few seconds and looks only at pictures whose use has ended. `repair` runs hourly over all
rows and files, a part of the storage at a time, so that its memory doesn't grow with their number.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q

from paris_integration import clock
from paris_integration.errors import StorageUnavailable
from paris_integration.feeds import pictures
from paris_integration.feeds.dispatch import dispatcher
from paris_integration.media import copying, room, storage
from paris_integration.models import Feed, Picture, PictureStore, PictureUse, UnusedMark
from paris_integration.observing import metrics

logger = logging.getLogger(__name__)

BATCH = 100
BATCHES_PER_RUN = 20
REMOVING_LASTS = timedelta(minutes=2)
SETTLED_AFTER = timedelta(hours=1)  # younger files and rows may belong to a worker that is still writing
UNREAD_DAYS = 7  # beyond ACTIVE_FEED_DAYS
SHARDS = [f"{number:02x}" for number in range(256)]


def remove_unused() -> int:
    """Remove the files and rows of pictures that no feed uses any more. Returns how many pictures.

    While the storage is away, the rows stay, and the next call tries again.
    """
    removed = 0
    for _ in range(BATCHES_PER_RUN):
        leaving = _claim_unused()
        if not leaving:
            break
        try:
            storage.remove(name for row in leaving for name in names_of(row))
        except StorageUnavailable as problem:
            logger.error("pictures not removed from the storage: %s", problem)
            metrics.count_picture_failure(f"storage_{problem.reason}")
            break
        removed += _delete(leaving)
    return removed


def names_of(picture: Picture) -> list[str]:
    """The names of a picture's files, including those that an interrupted worker may have written."""
    widths = {width for width, _ in picture.sizes}
    if not widths:
        return [file.name for file in storage.listing(picture.digest)]
    return [
        f"{pictures.file_digest(picture.digest, width)}.{kind}"
        for width in widths
        for kind in ("jpg", "avif")
    ]


@transaction.atomic
def _claim_unused() -> list[Picture]:
    """Claim a batch of unused pictures, so that nothing uses them any more and no other sweep removes them."""
    now = clock.database_now()
    marks = UnusedMark.objects.filter(clock.is_free("picture__writing_until", now)).order_by("pk")
    digests = {mark.picture_id for mark in marks[:BATCH]}
    marked = Picture.objects.filter(pk__in=digests).order_by("pk")
    if connection.features.has_select_for_update_skip_locked:
        marked = marked.select_for_update(skip_locked=True)
    rows = list(marked.filter(clock.is_free("writing_until", now)))
    used = set(
        PictureUse.objects.filter(picture__in=[row.pk for row in rows]).values_list("picture_id", flat=True)
    )
    UnusedMark.objects.filter(picture__in=used).delete()
    leaving = [row for row in rows if row.pk not in used]
    Picture.objects.filter(pk__in=[row.pk for row in leaving]).update(
        is_leaving=True, writing_until=now + REMOVING_LASTS
    )
    return leaving


def _delete(leaving: list[Picture]) -> int:
    _, deleted = Picture.objects.filter(pk__in=[row.pk for row in leaving], is_leaving=True).delete()
    return deleted.get(Picture._meta.label, 0)  # without the marks


def on_feed_deleted(sender: object, *, instance: Feed, **_: object) -> None:
    """Let the sweep look at the pictures of a feed that is being deleted, by whatever path."""
    copying.mark_unused(PictureUse.objects.filter(feed=instance.pk).values_list("picture_id", flat=True))


def repair(*, now: datetime) -> dict[str, int]:
    """Find files without rows, rows without files, and uses that have ended. Returns the numbers of each.

    Raises StorageUnavailable.
    """
    found = {"unread": _give_up_unread(now), "endedUses": _remove_ended_uses(), "files": 0, "pictures": 0}
    _mark_forgotten(now)
    for shard in SHARDS:
        files, missing = _repair_shard(shard, now)
        found["files"] += files
        found["pictures"] += missing
    for workspace_id in PictureStore.objects.values_list("pk", flat=True).iterator():
        room.count(workspace_id)
    return found


def _give_up_unread(now: datetime) -> int:
    """Give up the pictures of feeds that readers don't request any more. The next read requests them again."""
    before = now - timedelta(days=settings.ACTIVE_FEED_DAYS + UNREAD_DAYS)
    has_pictures = Exists(PictureUse.objects.filter(feed=OuterRef("pk")))
    unread = Feed.objects.filter(Q(last_read_at__lt=before) | Q(last_read_at__isnull=True), has_pictures)
    given_up = 0
    while ids := list(unread.exclude(pictures_reach=[]).values_list("pk", flat=True)[:BATCH]):
        Feed.objects.filter(pk__in=ids).update(pictures_reach=[], pictures_due_at=now)
        for feed_id in ids:
            dispatcher.request_copies(feed_id)
        given_up += len(ids)
    return given_up


def _remove_ended_uses() -> int:
    """Remove uses whose feed the previous release has deleted without them."""
    ended = PictureUse.objects.filter(~Exists(Feed.objects.filter(pk=OuterRef("feed_id"))))
    removed = 0
    while rows := list(ended[:BATCH]):
        with transaction.atomic():
            copying.mark_unused(row.picture_id for row in rows)
            PictureUse.objects.filter(pk__in=[row.pk for row in rows]).delete()
        removed += len(rows)
    return removed


def _mark_forgotten(now: datetime) -> None:
    """Mark pictures that have neither a use nor a mark, such as after a race with the deletion of a workspace."""
    forgotten = Picture.objects.filter(
        ~Exists(PictureUse.objects.filter(picture=OuterRef("pk"))),
        ~Exists(UnusedMark.objects.filter(picture=OuterRef("pk"))),
        created_at__lt=now - SETTLED_AFTER,
    )
    while digests := list(forgotten.values_list("pk", flat=True)[:BATCH]):
        copying.mark_unused(digests)


def _repair_shard(shard: str, now: datetime) -> tuple[int, int]:
    """Compare the files and rows whose names begin with `shard`. Returns the numbers of removed files and of pictures
    to be copied again."""
    files = {file.name: file.modified_at for file in storage.listing(shard)}
    rows = list(Picture.objects.filter(digest__startswith=shard))
    known = {name for row in rows for name in names_of(row)} | {
        name for row in rows if not row.sizes for name in files if name.startswith(row.digest)
    }
    settled_before = now - SETTLED_AFTER
    orphans = [name for name, at in files.items() if name not in known and at < settled_before]
    # A worker may have begun to copy such a picture again, and found its old files, since the rows were read.
    digests = {pictures.picture_digest(name) for name in orphans}
    returned = set(
        Picture.objects.filter(pk__in=digests)
        .exclude(pk__in=[row.pk for row in rows])
        .values_list("pk", flat=True)
    )
    orphans = [name for name in orphans if pictures.picture_digest(name) not in returned]
    storage.remove(orphans)
    lost = [
        row.pk
        for row in rows
        if row.sizes and row.created_at < settled_before and not files.keys() >= set(names_of(row))
    ]
    for digest in lost:
        _copy_again(digest)
    return len(orphans), len(lost)


def _copy_again(digest: str) -> None:
    """Stop using a picture whose files are gone. Readers get the provider's links until it is copied again."""
    feed_ids: set[UUID] = set(PictureUse.objects.filter(picture=digest).values_list("feed_id", flat=True))
    for feed_id in feed_ids:
        with transaction.atomic():
            feed = Feed.objects.select_for_update().only("copies").filter(pk=feed_id).first()
            if feed is None:
                continue
            copies = {
                item: copy
                for item, copy in pictures.decode_copies(feed.copies).items()
                if copy.digest != digest
            }
            mark_at = clock.moment()
            Feed.objects.filter(pk=feed_id).update(
                copies=pictures.encode_copies(copies), pictures_due_at=mark_at
            )
            PictureUse.objects.filter(feed=feed_id, picture=digest).update(
                picture=None, copied_name="", wanted_since=mark_at, next_try_at=None
            )
        dispatcher.request_copies(feed_id)
    with transaction.atomic():
        copying.mark_unused([digest])
