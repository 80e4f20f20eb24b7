"""The read path: the cached feed and the truth about its age. A read never fails for plan, quota or provider reasons.

fresh → as it is · stale and due → as it is, and the worker is asked to refresh it behind the answer · stale and not
allowed yet → as it is, with the time · never filled → filled in place, within the cold-wait bound.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError

from entitlements.limits import (
    Limits,
    limits_for,
)
from foundation import metrics, threads
from foundation.cache import StoreAway, guarded_load
from paris_integration import clock
from paris_integration.connections.lifecycle import EXPIRING_WITHIN
from paris_integration.errors import PreviewBudgetSpent, StoreUnavailable
from paris_integration.feeds import (
    fast_copy,
    lease,
    pauses,
    previews,
    refreshing,
    routing,
    schedule,
)
from paris_integration.feeds.dispatch import dispatcher
from paris_integration.feeds.fast_copy import FeedCopy
from paris_integration.feeds.schedule import Age, Verdict
from paris_integration.models import ErasedInstance, Feed
from paris_integration.types import (
    ConnectionFacts,
    ConnectionState,
    EncodedPost,
    FeedKey,
    FeedView,
    Selection,
    Warning,
)
from paris_integration.waiting import Wait, board

MARK_READ_EVERY = timedelta(hours=1)
LOOK_AGAIN_SECONDS = 0.1
LINKS_LIVE_WITHOUT_WORD = timedelta(days=4)


def read_feed(
    key: FeedKey,
    selection: Selection,
    *,
    now: datetime,
    is_preview: bool = False,
) -> FeedView:
    """The selected posts of this key with their age, warnings and next time; at most FEED_COLD_WAIT_SECONDS late.

    `is_preview`: an unsaved source, seen by an editor only: it is not kept fresh in the background, and each fetch
    counts against the workspace's previews of the hour. Raises PreviewBudgetSpent, and StoreUnavailable when there is
    neither a database nor a copy.
    """
    with metrics.timed("paris"):
        return _read(key, selection, now, is_preview=is_preview)


def warnings_of_connection(via: ConnectionFacts | None, now: datetime) -> frozenset[Warning]:
    """What members are told of the instance's connection, beyond what every reader is."""
    lives = via is not None and via.state in (ConnectionState.ACTIVE, ConnectionState.EXPIRING)
    if via is None or not lives or via.expires_at is None or via.expires_at - now >= EXPIRING_WITHIN:
        return frozenset()
    return frozenset({Warning.TOKEN_EXPIRING})


def find_row(key: FeedKey) -> Feed | None:
    """The row this source is read from now, None when there is none or no way to read it."""
    return row_of(key, routing.load(key))


def find_or_create_row(key: FeedKey, now: datetime, *, is_preview: bool = False) -> Feed | None:
    """As `find_row`, making the row where only it is missing. A preview's is not kept fresh in the background."""
    route = routing.load(key)
    if isinstance(route, routing.NoRoute):
        return None
    try:
        row, created = Feed.objects.get_or_create(
            **key.columns,
            mode=route.mode.value,
            defaults={
                "last_read_at": None if is_preview else now,
                **pauses.columns_of(key.instance_id, now=now),
            },
        )
    except IntegrityError:  # the workspace was deleted a moment ago
        return None
    if created:
        fast_copy.forget(key, route.mode)
        if ErasedInstance.objects.covers(key):  # the insert waited for the deletion to commit
            Feed.objects.filter(pk=row.pk).purge()
            return None
    return row


def row_of(key: FeedKey, route: routing.Route | routing.NoRoute) -> Feed | None:
    if isinstance(route, routing.NoRoute):
        return None
    return Feed.objects.of_key(key, route.mode).first()


def warnings_beside(
    key: FeedKey, route: routing.Route | routing.NoRoute, limits: Limits
) -> frozenset[Warning]:
    """What plan and route add to a view of the posts that there are. The plan comes before a missing route."""
    restricted = (
        frozenset() if routing.is_in_plan(key, route, limits) else frozenset({Warning.PLAN_RESTRICTED})
    )
    if isinstance(route, routing.NoRoute):
        return restricted or frozenset({route.warning})
    return route.warnings | restricted


def _read(key: FeedKey, selection: Selection, now: datetime, *, is_preview: bool) -> FeedView:
    try:
        limits = limits_for(key.workspace_id, now=now)
        route = routing.find(key)
        allowed = routing.is_in_plan(key, route, limits)
        if isinstance(route, routing.NoRoute):
            return nothing(warnings_beside(key, route, limits))
        copy = fast_copy.find(key, route.mode)
        if not allowed or not route.is_open:
            return _last_good(copy, selection, limits, now, warnings_beside(key, route, limits))
        if copy is not None and not is_preview:
            _mark_read(copy, now)
        if copy is None or copy.fetched_at is None:
            view = _read_cold(key, selection, limits, now, is_preview=is_preview)
            return replace(view, warnings=view.warnings | route.warnings)
    except StoreAway as error:
        raise StoreUnavailable("the database is away") from error
    verdict = schedule.classify(copy.state_at(now), limits, now)
    if verdict.is_due and (not is_preview or _preview_budget_allows(key.workspace_id, now)):
        dispatcher.request_refresh(copy.feed_id)
    view = view_of(copy, verdict, selection, now)
    return replace(view, warnings=view.warnings | route.warnings)


def view_of(copy: FeedCopy, verdict: Verdict, selection: Selection, now: datetime) -> FeedView:
    """The reader's view of a feed row under a verdict about its age."""
    posts = _select(fast_copy.decode_posts(copy.posts_encoded), selection)
    warnings = {Warning(name) for name in copy.data_warnings}
    if copy.fault:
        warnings.add(Warning(copy.fault))
    if copy.fetched_at is not None and _links_have_expired(posts, copy.fetched_at, now):
        warnings.add(Warning.MEDIA_LINKS_EXPIRED)
    return FeedView(
        posts=posts,
        profile=copy.profile,
        last_updated_at=copy.fetched_at,
        is_stale=verdict.age is Age.STALE,
        next_refresh_allowed_at=verdict.refresh_allowed_at,
        warnings=frozenset(warnings),
    )


def _select(posts: Iterable[EncodedPost], selection: Selection) -> tuple[EncodedPost, ...]:
    """Filter, then hide, then cut: a hidden or filtered post makes room for the next one."""
    wanted = (
        post
        for post in posts
        if selection.filter_kind in (None, post.filter_kind) and post.id not in selection.hidden_ids
    )
    return tuple(islice(wanted, selection.max_posts))


def nothing(warnings: Iterable[Warning], *, is_warming: bool = False) -> FeedView:
    return FeedView(
        posts=(),
        profile=None,
        last_updated_at=None,
        is_stale=False,
        next_refresh_allowed_at=None,
        warnings=frozenset(warnings),
        is_warming=is_warming,
    )


def _last_good(
    copy: FeedCopy | None, selection: Selection, limits: Limits, now: datetime, why: frozenset[Warning]
) -> FeedView:
    """After a downgrade, or with a dead grant: what there is stays visible, and nothing is refreshed."""
    if copy is None:
        return nothing(why)
    view = view_of(copy, schedule.classify(copy.state_at(now), limits, now), selection, now)
    return replace(view, warnings=view.warnings | why, next_refresh_allowed_at=None)


def _read_cold(
    key: FeedKey, selection: Selection, limits: Limits, now: datetime, *, is_preview: bool
) -> FeedView:
    """A feed that was never filled: lead or join its first flight, unless a failed one has closed the door."""
    row = guarded_load(lambda: find_or_create_row(key, now, is_preview=is_preview))
    if row is None:  # disconnected a moment ago
        return nothing({Warning.CONNECT_REQUIRED})
    copy = fast_copy.copy_of(row)
    verdict = schedule.classify(copy.state_at(now), limits, now)
    if verdict.is_due:
        if is_preview:
            previews.charge(key.workspace_id, now=now)
        kind = refreshing.Kind.PREVIEW if is_preview else refreshing.Kind.COLD
        if not _wait_for_first_flight(copy.feed_id, now, kind):
            return nothing({Warning.FEED_WARMING}, is_warming=True)
        copy = guarded_load(lambda: _load(key)) or copy
        verdict = schedule.classify(copy.state_at(now), limits, now)
        if verdict.is_due:  # the flight ended without a word: its leader died, or leads elsewhere still
            return nothing({Warning.FEED_WARMING}, is_warming=True)
        return replace(view_of(copy, verdict, selection, now), is_first_fill=True)
    return view_of(copy, verdict, selection, now)


def _load(key: FeedKey) -> FeedCopy | None:
    row = find_row(key)
    return fast_copy.copy_of(row) if row else None


def _wait_for_first_flight(feed_id: UUID, now: datetime, kind: refreshing.Kind) -> bool:
    """Whether the first fill ended within the bound; when this process has no room for it, the worker is asked."""
    wait = board.wait_for(
        feed_id, lambda: _fill(feed_id, now, kind), timeout_seconds=settings.FEED_COLD_WAIT_SECONDS
    )
    if wait is Wait.NO_FLIGHT:
        dispatcher.request_refresh(feed_id)
    return wait is Wait.LANDED


def _fill(feed_id: UUID, now: datetime, kind: refreshing.Kind) -> None:
    """Lead the first fill, or watch whoever leads it elsewhere. A watcher never goes upstream itself."""
    if refreshing.refresh_feed(feed_id, now=now, kind=kind).result is not refreshing.Result.HELD:
        return
    give_up_at = time.monotonic() + settings.FEED_COLD_WAIT_SECONDS
    while lease.is_held(feed_id) and time.monotonic() < give_up_at:
        threads.give_back()
        time.sleep(LOOK_AGAIN_SECONDS)


def _preview_budget_allows(workspace_id: UUID, now: datetime) -> bool:
    try:
        previews.charge(workspace_id, now=now)
    except PreviewBudgetSpent:
        return False
    return True


def _mark_read(copy: FeedCopy, now: datetime) -> None:
    """Keep the feed among those that are refreshed in the background; one write an hour, and never a failed read."""
    age = None if copy.last_read_at is None else now - copy.last_read_at
    if age is not None and -clock.CLOCK_TOLERANCE <= age < MARK_READ_EVERY:
        return
    try:
        guarded_load(lambda: _write_read_mark(copy.feed_id, now))
    except StoreAway:
        return


def _write_read_mark(feed_id: UUID, now: datetime) -> None:
    Feed.objects.filter(pk=feed_id).update(last_read_at=now)
    row = Feed.objects.filter(pk=feed_id).first()
    if row is not None:
        fast_copy.publish(row)


def _links_have_expired(posts: tuple[EncodedPost, ...], fetched_at: datetime, now: datetime) -> bool:
    """Whether a media link has run out: by its own word, else four days after it was fetched."""
    if not posts:
        return False
    told = [post.links_expire_at for post in posts if post.links_expire_at is not None]
    return now >= (min(told) if told else fetched_at + LINKS_LIVE_WITHOUT_WORD)
