"""Reads a feed. A read never fails because of the plan, the quota or the provider.

A stored feed is returned at once. If it is due for a refresh, the worker is asked to refresh it. If it is stale but a
refresh isn't allowed yet, the answer says when it is. A feed that was never filled is fetched during the request, for
at most FEED_COLD_WAIT_SECONDS.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from msgspec import to_builtins

from foundation import metrics, statements, threads
from foundation.cache import RECHECK_SECONDS, StoreAway, guarded_load
from paris_integration import clock
from paris_integration.errors import PreviewBudgetSpent, StoreUnavailable
from paris_integration.feeds import fast_copy, lease, pictures, previews, refreshing, schedule, situation
from paris_integration.feeds.dispatch import dispatcher
from paris_integration.feeds.fast_copy import FeedCopy
from paris_integration.feeds.schedule import Age, Verdict
from paris_integration.feeds.selecting import select
from paris_integration.feeds.situation import LoadedSituation, Situation
from paris_integration.models import Feed
from paris_integration.types import (
    EncodedPost,
    FeedKey,
    FeedView,
    Selection,
    Source,
    Warning,
    known_warnings,
    warning_of_fault,
)
from paris_integration.waiting import Wait, board

MARK_READ_EVERY = timedelta(hours=1)
LOOK_AGAIN_SECONDS = 0.1
SAME_FOR = timedelta(minutes=5)
LINK_LIFETIME_IF_UNKNOWN = timedelta(days=4)


def read_feed(key: FeedKey, selection: Selection, *, now: datetime, is_preview: bool = False) -> FeedView:
    """Return the selected posts with their age, their warnings and the time of the next allowed refresh.

    `is_preview`: the source isn't saved yet, and only an editor sees it. It isn't refreshed in the background, and each
    fetch counts against the workspace's hourly previews. Raises PreviewBudgetSpent, and StoreUnavailable when the
    database is unavailable and no copy is cached.
    """
    view, _ = read_in_situation(key, selection, now=now, is_preview=is_preview)
    return view


def preview_source(workspace_id: UUID, source: Source, selection: Selection, *, now: datetime) -> FeedView:
    """Preview a source for a widget that doesn't exist yet, in public mode. Raises as `read_feed` with `is_preview`."""
    return read_feed(FeedKey(workspace_id, previews.NEW_WIDGET, source), selection, now=now, is_preview=True)


def read_in_situation(
    key: FeedKey, selection: Selection, *, now: datetime, is_preview: bool
) -> tuple[FeedView, Situation]:
    """Like `read_feed`. Also returns the situation that the view was made from."""
    with metrics.timed("paris"):
        try:
            return _read(situation.recall(key, now), selection, is_preview=is_preview)
        except StoreAway as error:
            raise StoreUnavailable("the database is away") from error


def look_at(loaded: LoadedSituation, selection: Selection) -> FeedView:
    """The feed as the database has it. Doesn't fetch anything or request a refresh."""
    if loaded.copy is None:
        return _nothing(loaded.warnings)
    verdict = _verdict(loaded, loaded.copy)
    if loaded.copy.fetched_at is None and not loaded.copy.fault and verdict.is_due:
        return _nothing(loaded.warnings | {Warning.FEED_WARMING}, is_warming=True)
    return _view_of(loaded, loaded.copy, verdict, selection)


def _read(found: Situation, selection: Selection, *, is_preview: bool) -> tuple[FeedView, Situation]:
    copy = found.copy
    if found.open_route is None:
        return _last_good(found, selection), found
    if copy is not None and not is_preview:
        _mark_read(found, copy, selection)
    if isinstance(found, LoadedSituation):
        return _read_cold(found, selection, is_preview=is_preview)
    if copy is None:  # only without a route, handled above
        return _nothing(found.warnings), found
    verdict = _verdict(found, copy)
    view = _view_of(found, copy, verdict, selection)
    if verdict.is_due and (not is_preview or _charge_preview(found, copy.feed_id)):
        view = replace(view, asked_for=copy.feed_id)
        ask_again(view)
    return view, found


def ask_again(view: FeedView) -> None:
    """Ask the worker to refresh the view's feed if it is due: an earlier message may be lost. Never blocks."""
    if view.asked_for is not None:
        dispatcher.request_refresh(view.asked_for)


def _verdict(found: Situation, copy: FeedCopy) -> Verdict:
    return schedule.classify(copy.state_at(found.now), found.limits, found.now)


def _view_of(found: Situation, copy: FeedCopy, verdict: Verdict, selection: Selection) -> FeedView:
    posts = select(fast_copy.decode_posts(copy.posts_encoded), selection)
    warnings = found.warnings | known_warnings(copy.data_warnings)
    if copy.fault:
        warnings |= {warning_of_fault(copy.fault)}
    if copy.fetched_at is not None and _links_have_expired(posts, copy.fetched_at, found.now):
        warnings |= {Warning.MEDIA_LINKS_EXPIRED}
    return FeedView(
        posts=posts,
        profile=copy.profile,
        last_updated_at=copy.fetched_at,
        is_stale=verdict.age is Age.STALE,
        next_refresh_allowed_at=verdict.refresh_allowed_at,
        warnings=warnings,
        same_until=None if isinstance(found, LoadedSituation) else _same_until(found, copy, verdict, posts),
    )


def _same_until(
    found: Situation, copy: FeedCopy, verdict: Verdict, posts: tuple[EncodedPost, ...]
) -> datetime:
    """Until when a read of the same cached values gives the same view and does nothing but ask the worker again."""
    now = found.now
    stored = [copy.fetched_at, copy.blocked_until, copy.backoff_set_at, copy.paused_at, copy.paused_until]
    moments = [
        schedule.changes_at([*stored, copy.slowed_until], copy.state_at(now), found.limits, now),
        None if copy.fetched_at is None else links_expire_at(posts, copy.fetched_at),
        None if copy.last_read_at is None else copy.last_read_at + MARK_READ_EVERY,
        now + SAME_FOR,
    ]
    return min(moment for moment in moments if moment is not None and moment > now)


def _nothing(warnings: Iterable[Warning], *, is_warming: bool = False) -> FeedView:
    return FeedView(
        posts=(),
        profile=None,
        last_updated_at=None,
        is_stale=False,
        next_refresh_allowed_at=None,
        warnings=frozenset(warnings),
        is_warming=is_warming,
    )


def _last_good(found: Situation, selection: Selection) -> FeedView:
    """The stored posts, without a refresh: after a downgrade, or without a working connection."""
    if found.copy is None:
        return _nothing(found.warnings)
    view = _view_of(found, found.copy, _verdict(found, found.copy), selection)
    return replace(view, next_refresh_allowed_at=None)


def _read_cold(
    found: LoadedSituation, selection: Selection, *, is_preview: bool
) -> tuple[FeedView, Situation]:
    """Fill a feed for the first time, or wait for a fill under way. Not during a back-off after a failure."""
    if is_preview and _causes_fetch(found):
        # Before the feed is created: a refused preview leaves none.
        previews.charge(found.key.workspace_id, now=found.now)
    reach = None if is_preview else pictures.reach_of(selection)
    loaded = guarded_load(lambda: situation.with_feed(found, is_preview=is_preview, reach=reach))
    row, copy = loaded.row, loaded.copy
    if row is None or copy is None or loaded.open_route is None:
        return _last_good(loaded, selection), loaded
    verdict = _verdict(loaded, copy)
    if not verdict.is_due:
        return _view_of(loaded, copy, verdict, selection), loaded
    kind = refreshing.Kind.PREVIEW if is_preview else refreshing.Kind.COLD
    wait, filled = _wait_for_first_flight(row, loaded, kind)
    if wait is not Wait.LANDED:
        return _nothing({Warning.FEED_WARMING}, is_warming=True), loaded
    copy = filled or guarded_load(lambda: _reload(row.pk)) or copy
    verdict = _verdict(loaded, copy)
    if verdict.is_due:  # no result: the process that fetches it died, or is still fetching
        return _nothing({Warning.FEED_WARMING}, is_warming=True), loaded
    return replace(_view_of(loaded, copy, verdict, selection), is_first_fill=True), replace(loaded, copy=copy)


def _causes_fetch(found: LoadedSituation) -> bool:
    """Whether a read fetches this feed: it doesn't exist yet, or is due and isn't being fetched."""
    if found.row is None or found.copy is None:
        return True
    return _verdict(found, found.copy).is_due and not lease.is_held(found.row.pk)


def _reload(feed_id: UUID) -> FeedCopy | None:
    row = Feed.objects.filter(pk=feed_id).first()
    return fast_copy.copy_of(row) if row else None


def _wait_for_first_flight(
    row: Feed, loaded: LoadedSituation, kind: refreshing.Kind
) -> tuple[Wait, FeedCopy | None]:
    """Wait for the first fill, up to the limit. Asks the worker if this process can't start another fetch."""
    wait, filled = board.wait_for(
        row.pk, lambda: _fill(row, loaded, kind), timeout_seconds=settings.FEED_COLD_WAIT_SECONDS
    )
    if wait is Wait.NO_FLIGHT:
        dispatcher.request_refresh(row.pk)
    return wait, filled


def _fill(row: Feed, loaded: LoadedSituation, kind: refreshing.Kind) -> FeedCopy | None:
    """Fetch the feed for the first time, or wait while another process fetches it.

    Returns the result; None when the caller has to read it from the row.
    """
    outcome = refreshing.refresh(row, loaded, kind=kind)
    if outcome.result in (refreshing.Result.SUCCEEDED, refreshing.Result.FAILED):
        return fast_copy.copy_of(row)
    if outcome.result is not refreshing.Result.HELD:
        return None
    give_up_at = time.monotonic() + settings.FEED_COLD_WAIT_SECONDS
    while lease.is_held(row.pk) and time.monotonic() < give_up_at:
        threads.give_back()
        time.sleep(LOOK_AGAIN_SECONDS)
    return None


def _charge_preview(found: Situation, feed_id: UUID) -> bool:
    """Count one preview. False when the feed is being fetched, or the workspace has none left this hour."""
    if lease.is_held(feed_id):
        return False
    try:
        previews.charge(found.key.workspace_id, now=found.now)
    except PreviewBudgetSpent:
        return False
    return True


def _mark_read(found: Situation, copy: FeedCopy, selection: Selection) -> None:
    """Record the read, so that the feed stays in the background schedule and the requested pictures are copied.

    Writes at most once an hour, and when more posts are requested than before.
    """
    now = found.now
    age = None if copy.last_read_at is None else now - copy.last_read_at
    is_marked = age is not None and -clock.CLOCK_TOLERANCE <= age < MARK_READ_EVERY
    reach = copy.reach | pictures.reach_of(selection)
    if is_marked and (reach == copy.reach or not _copies_pictures(found)):
        return
    try:
        with statements.limited_to(RECHECK_SECONDS):
            guarded_load(lambda: _write_read_mark(copy.feed_id, selection, now), patience_seconds=0)
    except StoreAway:
        return  # the read itself doesn't need the database


def _copies_pictures(found: Situation) -> bool:
    return settings.MEDIA_COPIES and found.limits.copies_enabled


def _write_read_mark(feed_id: UUID, selection: Selection, now: datetime) -> None:
    with transaction.atomic():
        # A row that is locked or deleted is skipped: the reader doesn't wait for it, and a later read tries again.
        unlocked = Feed.objects.select_for_update(skip_locked=True, no_key=True)
        row = unlocked.filter(pk=feed_id).first()
        if row is None:
            return
        row.last_read_at = now
        # Beat has stopped checking a feed that wasn't read for long.
        row.next_refresh_at = row.next_refresh_at or now
        known = pictures.stored_reach(row.pictures_reach)
        reach = known | pictures.reach_of(selection)
        needs_copies = settings.MEDIA_COPIES and reach != known
        if needs_copies:
            row.pictures_reach, row.pictures_due_at = to_builtins(reach), now
        row.save(update_fields=["last_read_at", "next_refresh_at", "pictures_reach", "pictures_due_at"])
    if needs_copies:
        dispatcher.request_copies(feed_id)
    fast_copy.publish(row)


def links_expire_at(posts: Iterable[EncodedPost], fetched_at: datetime) -> datetime | None:
    """When the first media link expires, by the time in the links or else by the feed's age. None: never."""
    expiring = [post.links_expire_at for post in posts if post.links_expire_at != pictures.NEVER]
    if not expiring:
        return None
    known = [at for at in expiring if at is not None]
    if known:
        return min(known)
    return min(fetched_at, pictures.NEVER - LINK_LIFETIME_IF_UNKNOWN) + LINK_LIFETIME_IF_UNKNOWN


def _links_have_expired(posts: tuple[EncodedPost, ...], fetched_at: datetime, now: datetime) -> bool:
    expire_at = links_expire_at(posts, fetched_at)
    return expire_at is not None and now >= expire_at
