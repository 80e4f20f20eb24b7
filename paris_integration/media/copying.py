"""Copies the pictures of a feed: compares what it shows with what is stored, and fetches and stores the rest.

Nothing is locked while a picture is fetched, converted or stored. A picture's row is written before its files, with a
lease (`writing_until`), so that the sweep finds the files of a worker that died. Rows are locked in the order feed,
picture, use; deleting a feed does the same.
"""

from __future__ import annotations

import hashlib
import logging
import random
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from entitlements.limits import WorkspaceNotFound, fresh_limits_for
from foundation import logs, threads
from paris_integration import clock, registry
from paris_integration.errors import FileRefused, PictureRefused, StorageUnavailable
from paris_integration.feeds import fast_copy, pictures
from paris_integration.feeds.dispatch import dispatcher
from paris_integration.feeds.pictures import Copies, Copy, WantedPicture
from paris_integration.media import room, storage
from paris_integration.media.rendering import Rendered, Renderer
from paris_integration.models import Feed, Picture, PictureUse, UnusedMark
from paris_integration.observing import metrics
from paris_integration.providers.deadlines import Deadline

logger = logging.getLogger(__name__)

# Part of every picture's digest. Raise it when pictures are converted in another way.
CONVERSION = b"1:"
CLAIM_LASTS = timedelta(minutes=3)  # longer than TASK_SECONDS and one picture
WRITING_LASTS = timedelta(minutes=2)
TASK_SECONDS = 20.0  # then the feed goes to the end of the queue
FETCH_SECONDS = 15.0
PUBLISH_EVERY = 6
BUSY_SECONDS = 5.0  # another worker is copying or removing the same picture
STORAGE_RETRY_SECONDS = 60.0
RETRY_SECONDS, RETRY_FACTOR, RETRY_CEILING = 60.0, 4.0, timedelta(days=1)
# A new link may help at once. Other failures are tried again after a back-off that a new link doesn't end.
FRESH_LINK_HELPS = ("link_expired", "not_found", "http_error")
FULL = "workspace_full"


class Result(StrEnum):
    """How a call of `copy_pictures` ended."""

    DONE = "done"
    UNFINISHED = "unfinished"  # the time is up, or some pictures have to be tried again
    NOT_DUE = "not_due"  # another worker has taken the feed, or nothing is left to do
    GONE = "gone"  # the feed was deleted


@dataclass(frozen=True, slots=True)
class CopyOutcome:
    result: Result
    copied: int = 0
    failed: int = 0


class _Busy(Exception):
    """Another worker is writing this picture, or its files are being removed."""


def copy_pictures(feed_id: UUID) -> CopyOutcome:
    """Copy the pictures that the feed can show, and give up those that it can't, if that is due.

    Expected failures are recorded with each picture, and tried again later.
    """
    now = clock.database_now()
    claimed_until = now + CLAIM_LASTS
    if not Feed.objects.filter(is_due(now), pk=feed_id).update(pictures_due_at=claimed_until):
        return CopyOutcome(Result.NOT_DUE)
    row = Feed.objects.without_posts().filter(pk=feed_id).first()
    if row is None:
        return CopyOutcome(Result.GONE)
    with logs.bound(workspace=str(row.workspace_id), instance=row.instance_id):
        return _Copying(row, claimed_until).run(now)


def is_due(now: datetime) -> Q:
    """Feeds whose pictures are due for a check. A time beyond every wait was written by a wrong clock, and is due."""
    far_ahead = now + RETRY_CEILING + clock.CLOCK_TOLERANCE
    return Q(pictures_due_at__lte=now) | Q(pictures_due_at__gt=far_ahead)


def due_feeds(*, now: datetime, limit: int) -> list[UUID]:
    """The feeds whose pictures are due, longest waiting first."""
    return list(
        Feed.objects.filter(is_due(now)).order_by("pictures_due_at").values_list("pk", flat=True)[:limit]
    )


def mark_unused(digests: Iterable[str | None]) -> None:
    """Let the sweep look at these pictures. Call it in the transaction that ends their use."""
    UnusedMark.objects.bulk_create(
        UnusedMark(picture_id=digest) for digest in {*digests} if digest is not None
    )


def needs_copy(use: PictureUse) -> bool:
    return use.picture_id is None or use.copied_name != use.file_name


class _Copying:
    """One run for one feed."""

    def __init__(self, row: Feed, claimed_until: datetime) -> None:
        self.row = row
        self.claimed_until = claimed_until
        self.copied = self.failed = 0
        self._renderer = Renderer()
        self._digests: dict[
            str, str
        ] = {}  # of the links fetched in this run: an album's cover is its first child
        self._unpublished = 0

    def run(self, now: datetime) -> CopyOutcome:
        is_enabled = settings.MEDIA_COPIES and self._is_in_plan(now)
        uses = compare(self.row.pk, is_enabled=is_enabled, now=now)
        if uses is None:
            return CopyOutcome(Result.GONE)
        waiting = [use for use in uses if needs_copy(use)]
        is_over, not_before = False, None
        with self._renderer:
            try:
                is_over = self._copy_all([use for use in waiting if _may_try(use, now)])
            except StorageUnavailable as problem:
                logger.error("pictures not stored: %s", problem)
                metrics.count_picture_failure(f"storage_{problem.reason}")
                PictureUse.objects.filter(pk__in=[use.pk for use in waiting]).update(reason="storage")
                not_before = clock.database_now() + timedelta(seconds=STORAGE_RETRY_SECONDS)
        room.count(self.row.workspace_id)
        self._publish()
        return self._finish(is_over=is_over, not_before=not_before)

    def _is_in_plan(self, now: datetime) -> bool:
        try:
            return fresh_limits_for(self.row.workspace_id, now=now).copies_enabled
        except WorkspaceNotFound:
            return False

    def _copy_all(self, uses: list[PictureUse]) -> bool:
        """Copy these pictures one after the other. True if the time is up before the last one."""
        ends_at = time.monotonic() + TASK_SECONDS
        for use in uses:
            if time.monotonic() > ends_at:
                return True
            try:
                self._copy(use)
            except _Busy:
                self._postpone(use, BUSY_SECONDS)
            except FileRefused as problem:
                self._note_failure(use, problem.reason)
            except OSError:  # no process for the conversion
                self._note_failure(use, "crashed")
        return False

    def _copy(self, use: PictureUse) -> None:
        digest = self._digests.get(use.url)
        if digest is not None and self._attach(use, digest):
            return
        content = registry.file_client().fetch(use.url, deadline=Deadline(FETCH_SECONDS))
        digest = hashlib.sha256(CONVERSION + content).hexdigest()[: pictures.PICTURE_DIGEST_LENGTH]
        if self._attach(use, digest):
            return
        if room.is_full(self.row.workspace_id):
            raise PictureRefused(FULL)
        writing_until = reserve(digest)
        try:
            threads.give_back()
            rendered = self._renderer.render(content)
            _store(digest, rendered)
        except BaseException:
            # Free for the next try, and for the sweep.
            Picture.objects.filter(pk=digest, writing_until=writing_until).update(writing_until=None)
            raise
        if not _complete(digest, rendered, writing_until=writing_until) or not self._attach(use, digest):
            raise _Busy

    def _attach(self, use: PictureUse, digest: str) -> bool:
        """Let the feed use the stored picture. False if it isn't stored, or is being removed."""
        attached = attach(use, digest)
        if attached:
            self._digests[use.url] = digest
            self.copied += 1
            self._unpublished += 1
            metrics.count_picture_copied(self.row.workspace_id)
            if self._unpublished >= PUBLISH_EVERY:
                self._publish()
        return attached

    def _publish(self) -> None:
        row = Feed.objects.filter(pk=self.row.pk).first()
        if row is not None:
            fast_copy.publish(row)
        self._unpublished = 0

    def _note_failure(self, use: PictureUse, reason: str) -> None:
        self.failed += 1
        metrics.count_picture_failure(reason)
        logger.warning("picture not copied: %s", reason, extra={"fields": {"reason": reason}})
        share = 1 + random.random() / 10  # noqa: S311 - spreads load, guards nothing
        seconds = min(RETRY_SECONDS * RETRY_FACTOR**use.failures, RETRY_CEILING.total_seconds() / 1.1) * share
        PictureUse.objects.filter(pk=use.pk, file_name=use.file_name).update(
            failures=F("failures") + 1, reason=reason, next_try_at=clock.moment() + timedelta(seconds=seconds)
        )

    def _postpone(self, use: PictureUse, seconds: float) -> None:
        PictureUse.objects.filter(pk=use.pk).update(next_try_at=clock.moment() + timedelta(seconds=seconds))

    def _finish(self, *, is_over: bool, not_before: datetime | None) -> CopyOutcome:
        """Schedule the next check, unless a refresh has asked for one meanwhile."""
        now = clock.database_now()
        waiting = [use for use in PictureUse.objects.filter(feed=self.row.pk) if needs_copy(use)]
        next_at = min((use.next_try_at or now for use in waiting), default=None)
        if next_at is not None and not_before is not None:
            next_at = max(next_at, not_before)
        Feed.objects.filter(pk=self.row.pk, pictures_due_at=self.claimed_until).update(
            pictures_due_at=next_at
        )
        if is_over:
            dispatcher.request_copies(self.row.pk)
        return CopyOutcome(Result.UNFINISHED if waiting else Result.DONE, self.copied, self.failed)


def _may_try(use: PictureUse, now: datetime) -> bool:
    return use.next_try_at is None or use.next_try_at <= now or use.next_try_at > now + RETRY_CEILING


@transaction.atomic
def compare(feed_id: UUID, *, is_enabled: bool, now: datetime) -> list[PictureUse] | None:
    """Adapt the feed's uses to what it can show now. Returns them in the order of the feed; None if it was deleted."""
    row = Feed.objects.select_for_update().filter(pk=feed_id).first()
    if row is None:
        return None
    wanted: list[WantedPicture] = []
    if is_enabled:
        posts = fast_copy.decode_posts(row.posts_encoded)
        wanted = pictures.wanted_pictures(posts, row.profile, pictures.stored_reach(row.pictures_reach))
    known = {use.item: use for use in PictureUse.objects.filter(feed=feed_id)}
    given_up = [use for item, use in known.items() if item not in {each.item for each in wanted}]
    mark_unused(use.picture_id for use in given_up)
    PictureUse.objects.filter(pk__in=[use.pk for use in given_up]).delete()
    uses = [_adapted(known.get(each.item), row, each, place, now) for place, each in enumerate(wanted)]
    PictureUse.objects.bulk_create([use for use in uses if use.pk is None])
    columns = ["url", "file_name", "place", "wanted_since", "failures", "reason", "next_try_at"]
    changed = [use for use in uses if use.item in known]
    if changed:
        PictureUse.objects.bulk_update(changed, columns, batch_size=200)
    copies = pictures.decode_copies(row.copies)
    kept: Copies = {
        use.item: copies[use.item] for use in uses if use.picture_id is not None and use.item in copies
    }
    if kept != copies:
        Feed.objects.filter(pk=feed_id).update(copies=pictures.encode_copies(kept))
    return uses


def _adapted(
    use: PictureUse | None, feed: Feed, wanted: WantedPicture, place: int, now: datetime
) -> PictureUse:
    if use is None:
        use = PictureUse(feed=feed, item=wanted.item, wanted_since=now)
    is_other = use.file_name != wanted.file_name
    has_new_link = use.url != wanted.url
    use.url, use.file_name, use.place = wanted.url, wanted.file_name, place
    if is_other:
        use.failures, use.reason, use.next_try_at = 0, "", None
        use.wanted_since = now
    elif has_new_link and use.reason in FRESH_LINK_HELPS:
        use.next_try_at = None
    return use


def reserve(digest: str) -> datetime:
    """Insert the picture's row, with the right to write its files. Returns the end of that right. Raises _Busy."""
    now = clock.database_now()
    until = now + WRITING_LASTS
    try:
        with transaction.atomic():
            Picture.objects.create(digest=digest, writing_until=until)
            mark_unused([digest])
    except IntegrityError:
        unfinished = Picture.objects.filter(pk=digest, is_leaving=False, stored_bytes=0)
        if not unfinished.filter(clock.is_free("writing_until", now)).update(writing_until=until):
            raise _Busy from None
        mark_unused([digest])
    return until


def _store(digest: str, rendered: Rendered) -> None:
    for size in {size.width: size for size in rendered.sizes}.values():
        name = pictures.file_digest(digest, size.width)
        storage.store(f"{name}.jpg", size.jpeg)
        storage.store(f"{name}.avif", size.avif)


def _complete(digest: str, rendered: Rendered, *, writing_until: datetime) -> bool:
    """Record what was stored. False if another worker has taken over meanwhile, or the sweep is removing it."""
    sizes = {size.width: size for size in rendered.sizes}
    stored_bytes = sum(len(size.jpeg) + len(size.avif) for size in sizes.values())
    written = Picture.objects.filter(pk=digest, writing_until=writing_until, is_leaving=False).update(
        width=rendered.width,
        height=rendered.height,
        placeholder=rendered.placeholder,
        sizes=[[size.width, size.height] for size in rendered.sizes],
        stored_bytes=stored_bytes,
    )
    return bool(written)


@transaction.atomic
def attach(use: PictureUse, digest: str) -> bool:
    """Let the feed use a stored picture. False if it isn't stored, or is being removed.

    True as well if the feed doesn't show the item any more: then the picture is left to the sweep.
    """
    feed = Feed.objects.select_for_update().only("copies").filter(pk=use.feed_id).first()
    picture = Picture.objects.select_for_update().filter(pk=digest).first()
    if picture is None or picture.is_leaving or not picture.stored_bytes:
        return False
    Picture.objects.filter(pk=digest).update(writing_until=None)
    current = PictureUse.objects.filter(pk=use.pk, file_name=use.file_name)
    if feed is None or not current.update(
        picture=picture, copied_name=use.file_name, failures=0, reason="", next_try_at=None
    ):
        mark_unused([digest])
        return True
    if use.picture_id != digest:
        mark_unused([use.picture_id])
    small, medium, large = ((width, height) for width, height in picture.sizes)
    copy = Copy(
        use.file_name, digest, picture.width, picture.height, picture.placeholder, (small, medium, large)
    )
    copies = {**pictures.decode_copies(feed.copies), use.item: copy}
    Feed.objects.filter(pk=feed.pk).update(copies=pictures.encode_copies(copies))
    return True
