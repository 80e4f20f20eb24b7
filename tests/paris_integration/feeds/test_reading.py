"""Reads and background refreshes, with a fake provider."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.db.backends.utils import CursorWrapper

from entitlements.changes import Actor, set_override, set_plan
from entitlements.models import Plan, Workspace
from paris_integration import tasks
from paris_integration.errors import (
    PermissionMissing,
    PreviewBudgetSpent,
    ProviderError,
    ProviderUnavailable,
    StoreUnavailable,
    TokenRejected,
)
from paris_integration.feeds import lease, reading, refreshing, situation
from paris_integration.models import Feed, PreviewWindow, ProviderWindow
from paris_integration.models.feeds import copy_key
from paris_integration.providers.base import Usage
from paris_integration.public import glance_at, read_feed, refresh_due_now, retire_other_sources
from paris_integration.types import (
    FeedKey,
    FeedView,
    FilterKind,
    Mode,
    Selection,
    Source,
    SourceType,
    Warning,
)
from paris_integration.waiting import Wait
from tests.fakes import FakeProvider, InlineBoard, RecordingDispatcher, media, video

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
JITTERED_HOUR = HOUR * 1.1 + timedelta(seconds=1)
TWELVE = Selection(max_posts=12)


@pytest.fixture
def filled(key: FeedKey, provider: FakeProvider) -> Feed:
    """A feed filled at NOW. The recorded calls are cleared."""
    read(key)
    provider.calls.clear()
    return Feed.objects.get()


def read(key: FeedKey, now: datetime = NOW, selection: Selection = TWELVE, **options: Any) -> FeedView:
    return read_feed(key, selection, now=now, **options)


def post_ids(view: FeedView) -> list[str]:
    return [post.id for post in view.posts]


def put_on(workspace: Workspace, plan: str) -> None:
    set_plan(workspace, Plan.objects.get(key=plan), actor=Actor("test"))
    cache.clear()


def test_a_cold_read_fills_the_feed_with_one_call(key: FeedKey, provider: FakeProvider) -> None:
    view = read(key)

    assert provider.calls == ["acme.bakery"]
    assert post_ids(view) == [media(n)["id"] for n in range(3)]
    assert (view.last_updated_at, view.is_stale, view.warnings) == (NOW, False, frozenset())
    assert view.next_refresh_allowed_at is not None
    assert NOW + HOUR <= view.next_refresh_allowed_at <= NOW + JITTERED_HOUR


@pytest.mark.usefixtures("filled")
def test_a_warm_read_uses_neither_provider_nor_database(
    key: FeedKey, provider: FakeProvider, django_assert_num_queries: Any
) -> None:
    read(key)
    with django_assert_num_queries(0):
        view = read(key)

    assert provider.calls == []
    assert len(view.posts) == 3


@pytest.mark.usefixtures("filled")
def test_a_stale_feed_is_served_at_once_and_refreshed_in_the_background(
    key: FeedKey, provider: FakeProvider, dispatched: RecordingDispatcher
) -> None:
    later = NOW + JITTERED_HOUR
    provider.accounts["acme.bakery"].insert(0, media(99, timestamp="2026-11-23T12:30:00+0000"))

    view = read(key, later)

    assert (view.is_stale, len(view.posts), view.next_refresh_allowed_at) == (True, 3, None)
    assert provider.calls == []
    assert len(dispatched.feed_ids) == 1

    assert refreshing.refresh_feed(dispatched.feed_ids[0], now=later).result is refreshing.Result.SUCCEEDED
    renewed = read(key, later)
    assert (renewed.is_stale, len(renewed.posts), renewed.last_updated_at) == (False, 4, later)


def test_between_ttl_and_jitter_a_stale_feed_announces_its_next_refresh(
    key: FeedKey, filled: Feed, dispatched: RecordingDispatcher
) -> None:
    Feed.objects.update(jitter=1.0)
    cache.clear()

    view = read(key, NOW + HOUR)

    assert view.is_stale
    assert view.next_refresh_allowed_at == NOW + HOUR * 1.1
    assert dispatched.feed_ids == []
    assert refreshing.refresh_feed(filled.pk, now=NOW + HOUR).result is refreshing.Result.NOT_DUE


@pytest.mark.parametrize(
    ("fault", "warning"),
    [
        (ProviderUnavailable(), Warning.PROVIDER_UNAVAILABLE),
        (ProviderError(code=999), Warning.PROVIDER_ERROR),
        (TokenRejected(code=190), Warning.PROVIDER_ERROR),
        (PermissionMissing(code=10), Warning.PROVIDER_ERROR),
    ],
)
def test_a_failed_refresh_keeps_the_old_posts_and_backs_off(
    key: FeedKey, filled: Feed, provider: FakeProvider, dispatched: RecordingDispatcher,
    fault: ProviderError, warning: Warning,
) -> None:  # fmt: skip
    later = NOW + JITTERED_HOUR
    provider.raises(fault)

    assert refreshing.refresh_feed(filled.pk, now=later).result is refreshing.Result.FAILED
    view = read(key, later)

    assert (len(view.posts), view.last_updated_at, view.is_stale) == (3, NOW, True)
    assert view.warnings == {warning}
    assert view.next_refresh_allowed_at is not None
    assert later < view.next_refresh_allowed_at <= later + timedelta(seconds=31)
    assert (
        refreshing.refresh_feed(filled.pk, now=later + timedelta(seconds=5)).result
        is refreshing.Result.NOT_DUE
    )
    assert dispatched.feed_ids == []

    provider.recovers()
    assert (
        refreshing.refresh_feed(filled.pk, now=view.next_refresh_allowed_at).result
        is refreshing.Result.SUCCEEDED
    )
    assert read(key, later).warnings == frozenset()


def test_a_throttle_holds_back_every_feed_of_the_credential(
    workspace: Workspace, key: FeedKey, filled: Feed, provider: FakeProvider
) -> None:
    provider.accounts["other.one"] = [media(1)]
    other = replace(key, instance_id="wgt_2", source=Source(SourceType.PROFILE, "other.one"))
    later = NOW + JITTERED_HOUR
    provider.rate_limits(1_800)
    refreshing.refresh_feed(filled.pk, now=later)
    provider.recovers()
    provider.calls.clear()

    cold = read(other, later)

    assert provider.calls == []
    assert cold.warnings == {Warning.PROVIDER_RATE_LIMITED}
    assert cold.next_refresh_allowed_at is not None
    assert (
        later + timedelta(seconds=1_800) <= cold.next_refresh_allowed_at <= later + timedelta(seconds=1_981)
    )
    assert len(read(other, cold.next_refresh_allowed_at).posts) == 1


def test_usage_at_the_limit_stops_the_calls_of_the_credential(key: FeedKey, provider: FakeProvider) -> None:
    provider.usage = Usage(percent=100, regain_minutes=20)

    assert len(read(key).posts) == 3
    assert ProviderWindow.objects.get().parked_until == NOW + timedelta(minutes=20)


def test_a_success_that_reaches_the_rate_limit_announces_when_it_ends(
    key: FeedKey, provider: FakeProvider, dispatched: RecordingDispatcher
) -> None:
    provider.usage = Usage(percent=100, regain_minutes=120)
    opens_at = NOW + 2 * HOUR

    first = read(key)

    assert (first.warnings, first.is_stale, first.next_refresh_allowed_at) == (frozenset(), False, opens_at)
    assert read(key).next_refresh_allowed_at == opens_at, "the fast copy says the same"
    before = read(key, opens_at - timedelta(seconds=1))
    assert (before.is_stale, before.next_refresh_allowed_at) == (True, opens_at)
    feed_id = Feed.objects.get().pk
    assert (
        refreshing.refresh_feed(feed_id, now=opens_at - timedelta(seconds=1)).result
        is refreshing.Result.NOT_DUE
    )
    assert dispatched.feed_ids == []
    provider.usage = Usage()
    assert refreshing.refresh_feed(feed_id, now=opens_at).result is refreshing.Result.SUCCEEDED


def test_a_rate_limit_that_ends_before_the_ttl_changes_nothing(key: FeedKey, provider: FakeProvider) -> None:
    provider.usage = Usage(percent=100, regain_minutes=20)

    announced = read(key).next_refresh_allowed_at

    assert announced is not None
    assert NOW + HOUR <= announced <= NOW + JITTERED_HOUR


def test_a_shorter_wait_does_not_shorten_a_longer_one(key: FeedKey, provider: FakeProvider) -> None:
    def another_feed_is_throttled() -> None:
        ProviderWindow.objects.create(credential="public", parked_at=NOW, parked_until=NOW + 2 * HOUR)

    provider.during_call = another_feed_is_throttled
    provider.usage = Usage(percent=100, regain_minutes=20)

    assert read(key).next_refresh_allowed_at == NOW + 2 * HOUR
    assert ProviderWindow.objects.get().parked_until == NOW + 2 * HOUR


def test_a_failure_during_a_rate_limit_announces_when_the_limit_ends(
    key: FeedKey, provider: FakeProvider
) -> None:
    def another_feed_is_throttled() -> None:
        ProviderWindow.objects.create(credential="public", parked_at=NOW, parked_until=NOW + 2 * HOUR)

    provider.during_call = another_feed_is_throttled
    provider.raises(ProviderUnavailable(status=503))

    view = read(key)

    assert view.warnings == {Warning.PROVIDER_RATE_LIMITED}
    assert view.next_refresh_allowed_at == NOW + 2 * HOUR


@pytest.mark.parametrize(
    ("plan", "percent", "earliest", "latest"),
    [
        pytest.param("pro", 84.9, NOW + HOUR, NOW + JITTERED_HOUR, id="below 85 %: the TTL"),
        pytest.param("pro", 85, NOW + 2 * HOUR, NOW + 2 * HOUR, id="from 85 %: twice the TTL"),
        pytest.param("starter", 99, NOW + 12 * HOUR, NOW + 12 * HOUR, id="with any plan"),
        pytest.param("free", 99, NOW + 24 * HOUR, NOW + 26.4 * HOUR, id="at most a day"),
    ],
)
def test_automatic_refreshes_slow_down_near_a_limit(
    workspace: Workspace, key: FeedKey, provider: FakeProvider, plan: str,
    percent: float, earliest: datetime, latest: datetime,
) -> None:  # fmt: skip
    put_on(workspace, plan)
    provider.usage = Usage(percent=percent)

    view = read(key)

    announced = view.next_refresh_allowed_at
    assert announced is not None
    assert earliest <= announced <= latest + timedelta(seconds=1)
    assert read(key).next_refresh_allowed_at == announced, "the fast copy says the same"
    feed_id = Feed.objects.get().pk
    for moment, result in (
        (announced - timedelta(seconds=1), refreshing.Result.NOT_DUE),
        (announced, refreshing.Result.SUCCEEDED),
    ):
        assert refreshing.refresh_feed(feed_id, now=moment).result is result


def test_beat_refreshes_at_the_slower_pace_and_then_at_the_usual_one(
    key: FeedKey, provider: FakeProvider
) -> None:
    provider.usage = Usage(percent=90)
    read(key)
    feed_id = Feed.objects.get().pk
    assert refreshing.claim_due(now=NOW + JITTERED_HOUR, limit=10) == []
    assert refreshing.claim_due(now=NOW + 2 * HOUR, limit=10) == [feed_id]

    provider.usage = Usage(percent=30)
    refreshing.refresh_feed(feed_id, now=NOW + 2 * HOUR)

    announced = read(key, NOW + 2 * HOUR).next_refresh_allowed_at
    assert announced is not None
    assert announced <= NOW + 2 * HOUR + JITTERED_HOUR


def test_codes_of_a_later_release_do_not_fail_reads(key: FeedKey, provider: FakeProvider) -> None:
    read(key)
    Feed.objects.update(fault="INVENTED_LATER", data_warnings=["INVENTED_LATER", "POSTS_SKIPPED"])
    cache.clear()
    assert read(key).warnings == {Warning.PROVIDER_ERROR, Warning.POSTS_SKIPPED}
    (glance,) = glance_at([key], now=NOW).values()
    assert glance.warnings == {Warning.PROVIDER_ERROR, Warning.POSTS_SKIPPED}


@pytest.mark.usefixtures("filled")
def test_an_empty_answer_empties_the_feed(key: FeedKey, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = []
    later = NOW + JITTERED_HOUR
    refreshing.refresh_feed(Feed.objects.get().pk, now=later)

    view = read(key, later)

    assert (view.posts, view.last_updated_at, view.warnings) == ((), later, frozenset())


def test_a_partial_answer_does_not_replace_a_fuller_copy(
    key: FeedKey, filled: Feed, provider: FakeProvider
) -> None:
    provider.accounts["acme.bakery"] = [media(0)]
    provider.later_page_error = ProviderUnavailable()
    later = NOW + JITTERED_HOUR

    assert refreshing.refresh_feed(filled.pk, now=later).result is refreshing.Result.FAILED
    view = read(key, later)
    assert (len(view.posts), view.last_updated_at) == (3, NOW)
    assert view.warnings == {Warning.PARTIAL_DATA, Warning.PROVIDER_UNAVAILABLE}

    provider.recovers()
    after = later + timedelta(minutes=2)
    assert refreshing.refresh_feed(filled.pk, now=after).result is refreshing.Result.SUCCEEDED
    assert read(key, after).warnings == frozenset()


def test_a_partial_answer_fills_an_empty_feed(key: FeedKey, provider: FakeProvider) -> None:
    provider.later_page_error = ProviderUnavailable()

    view = read(key)

    assert (len(view.posts), view.warnings) == (3, {Warning.PARTIAL_DATA})


def test_a_failed_first_fill_is_reported_and_not_repeated(key: FeedKey, provider: FakeProvider) -> None:
    provider.raises(ProviderUnavailable())

    views = [read(key) for _ in range(5)]

    assert len(provider.calls) == 1
    assert {(view.posts, view.last_updated_at, view.warnings) for view in views} == {
        ((), None, frozenset({Warning.PROVIDER_UNAVAILABLE}))
    }
    assert all(view.next_refresh_allowed_at for view in views)


def test_an_unknown_account_has_a_warning(key: FeedKey, provider: FakeProvider) -> None:
    provider.accounts.clear()

    assert read(key).warnings == {Warning.SOURCE_NOT_FOUND}
    assert read(key, NOW + timedelta(minutes=4)).warnings == {Warning.SOURCE_NOT_FOUND}
    assert len(provider.calls) == 1


@pytest.mark.parametrize("wait", [Wait.NO_PLACE, Wait.STILL_FLYING, Wait.NO_FLIGHT])
def test_a_read_that_cannot_wait_reports_that_the_feed_is_warming(
    key: FeedKey, provider: FakeProvider, board: InlineBoard, dispatched: RecordingDispatcher, wait: Wait
) -> None:
    board.wait = wait

    view = read(key)

    assert (view.is_warming, view.warnings, view.posts) == (True, {Warning.FEED_WARMING}, ())
    assert provider.calls == []
    assert len(dispatched.feed_ids) == (1 if wait is Wait.NO_FLIGHT else 0)


def test_selection_filters_hides_and_then_cuts(key: FeedKey, provider: FakeProvider) -> None:
    provider.accounts["acme.bakery"] = [media(0), video(1), media(2), video(3), media(4)]
    images = Selection(2, FilterKind.IMAGE, frozenset({media(0)["id"]}))

    assert post_ids(read(key, selection=images)) == [media(2)["id"], media(4)["id"]]
    assert post_ids(read(key, selection=Selection(12, FilterKind.VIDEO))) == [media(1)["id"], media(3)["id"]]
    assert len(read(key).posts) == 5
    assert len(provider.calls) == 1


def test_a_narrow_first_reader_does_not_narrow_the_feed(key: FeedKey, provider: FakeProvider) -> None:
    read(key, selection=Selection(1, FilterKind.VIDEO))

    assert len(read(key).posts) == 3
    assert len(provider.calls) == 1


@pytest.mark.usefixtures("filled")
def test_after_a_downgrade_the_last_posts_stay_and_nothing_is_refreshed(
    workspace: Workspace, key: FeedKey, provider: FakeProvider, dispatched: RecordingDispatcher
) -> None:
    set_override(workspace, "instagram.profile.enabled", False, actor=Actor("test"))
    cache.clear()
    later = NOW + 2 * HOUR

    view = read(key, later)

    assert (len(view.posts), view.warnings) == (3, {Warning.PLAN_RESTRICTED})
    assert view.next_refresh_allowed_at is None
    assert refreshing.refresh_feed(Feed.objects.get().pk, now=later).result is refreshing.Result.NOT_ALLOWED
    assert (provider.calls, dispatched.feed_ids) == ([], [])


@pytest.mark.parametrize(
    ("plan", "source_type", "public_mode", "warning"),
    [
        ("free", SourceType.HASHTAG, True, Warning.PLAN_RESTRICTED),
        ("pro", SourceType.HASHTAG, True, Warning.HASHTAG_REQUIRES_CONNECT),
        ("pro", SourceType.PROFILE, False, Warning.CONNECT_REQUIRED),
    ],
)
def test_a_source_that_cannot_be_read_has_a_warning(
    workspace: Workspace, key: FeedKey, provider: FakeProvider, settings: Any,
    plan: str, source_type: SourceType, public_mode: bool, warning: Warning,
) -> None:  # fmt: skip
    put_on(workspace, plan)
    if not public_mode:
        settings.PUBLIC_MODE_ACCESS_TOKEN = ""

    view = read(replace(key, source=Source(source_type, "bread")))

    assert (view.posts, view.warnings, view.last_updated_at) == ((), {warning}, None)
    assert provider.calls == []


def test_a_flight_elsewhere_is_not_repeated(key: FeedKey, filled: Feed, provider: FakeProvider) -> None:
    later = NOW + JITTERED_HOUR
    assert lease.acquire(filled.pk, seen_fence=filled.fence, lasts=timedelta(minutes=1))

    assert refreshing.refresh_feed(filled.pk, now=later).result is refreshing.Result.HELD
    assert provider.calls == []


def test_a_look_before_a_flight_landed_does_not_get_the_lease(filled: Feed) -> None:
    seen = filled.fence
    taken = lease.acquire(filled.pk, seen_fence=seen, lasts=timedelta(minutes=1))
    assert taken is not None
    assert lease.write(taken, failures=0)

    assert lease.acquire(filled.pk, seen_fence=seen, lasts=timedelta(minutes=1)) is None


def test_a_look_during_a_flight_does_not_repeat_it(
    filled: Feed, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process reads the row while another one fills the feed, and tries to take the lease afterwards."""
    later = NOW + JITTERED_HOUR
    flight = lease.acquire(filled.pk, seen_fence=filled.fence, lasts=timedelta(minutes=1))
    assert flight is not None
    load = situation.load_for

    def land_meanwhile(*args: Any) -> Any:
        assert lease.write(flight, fetched_at=later, attempted_at=later)
        return load(*args)

    monkeypatch.setattr(situation, "load_for", land_meanwhile)

    assert refreshing.refresh_feed(filled.pk, now=later).result is refreshing.Result.HELD
    assert provider.calls == []


def test_a_lease_lasts_longer_than_the_longest_call(
    filled: Feed, provider: FakeProvider, settings: Any
) -> None:
    settings.PROVIDER_TIMEOUT_SECONDS = 40.0
    left = []

    def look() -> None:
        ends_at = Feed.objects.values_list("lease_expires_at", flat=True).get()
        assert ends_at is not None
        left.append(ends_at - datetime.now(UTC))

    provider.during_call = look
    refreshing.refresh_feed(filled.pk, now=NOW + JITTERED_HOUR)

    assert left[0] > timedelta(seconds=40)


def test_a_hold_does_not_overwrite_a_flight_that_began_meanwhile(filled: Feed) -> None:
    seen = Feed.objects.get()
    flight = lease.acquire(filled.pk, seen_fence=filled.fence, lasts=timedelta(minutes=1))
    assert flight is not None
    assert lease.write(flight, fetched_at=NOW + HOUR)

    refreshing.hold_back(seen, refreshing.Hold(NOW + 9 * HOUR, Warning.PROVIDER_RATE_LIMITED), now=NOW)

    row = Feed.objects.get()
    assert (row.fault, row.blocked_until, row.fetched_at) == ("", None, NOW + HOUR)


def test_a_leader_paused_beyond_its_lease_cannot_write(
    key: FeedKey, filled: Feed, provider: FakeProvider
) -> None:
    later = NOW + JITTERED_HOUR

    def overtake() -> None:
        provider.during_call = lambda: None
        Feed.objects.update(lease_expires_at=NOW - timedelta(days=400))
        assert (
            refreshing.refresh_feed(filled.pk, now=later + timedelta(seconds=9)).result
            is refreshing.Result.SUCCEEDED
        )
        provider.accounts["acme.bakery"] = [media(50)]

    provider.during_call = overtake

    assert refreshing.refresh_feed(filled.pk, now=later).result is refreshing.Result.FENCED
    assert len(read(key, later).posts) == 3, "the fast copy has the newer result"
    cache.clear()
    assert len(read(key, later).posts) == 3


def test_a_feed_deleted_in_flight_is_not_written_again(filled: Feed, provider: FakeProvider) -> None:
    provider.during_call = lambda: Feed.objects.all().delete() and None

    assert refreshing.refresh_feed(filled.pk, now=NOW + JITTERED_HOUR).result is refreshing.Result.FENCED
    assert not Feed.objects.exists()


def test_a_bug_returns_the_lease_and_raises(filled: Feed, provider: FakeProvider) -> None:
    def stumble() -> None:
        raise ZeroDivisionError

    provider.during_call = stumble
    with pytest.raises(ZeroDivisionError):
        refreshing.refresh_feed(filled.pk, now=NOW + JITTERED_HOUR)

    assert not lease.is_held(filled.pk)


def test_beat_claims_due_and_recently_read_feeds_once(key: FeedKey, filled: Feed) -> None:
    later = NOW + JITTERED_HOUR
    assert refreshing.claim_due(now=NOW + timedelta(minutes=59), limit=10) == []
    assert refreshing.claim_due(now=later, limit=10) == [filled.pk]
    assert refreshing.claim_due(now=later, limit=10) == []
    assert refreshing.claim_due(now=later + timedelta(minutes=2), limit=10) == [filled.pk]
    assert refreshing.claim_due(now=NOW + timedelta(days=8), limit=10) == []


def test_beat_stops_checking_unread_feeds_until_the_next_read(
    key: FeedKey, filled: Feed, time_machine: Any
) -> None:
    def next_check() -> datetime | None:
        return Feed.objects.values_list("next_refresh_at", flat=True).get()

    unread = NOW + timedelta(days=8)
    assert refreshing.claim_due(now=unread, limit=10) == []
    assert next_check() is not None  # that process's clock is wrong

    time_machine.move_to(unread, tick=False)
    assert refreshing.claim_due(now=unread, limit=10) == []
    assert next_check() is None
    assert read(key, unread).is_stale
    assert next_check() == unread
    assert refreshing.claim_due(now=unread, limit=10) == [filled.pk]


def test_a_claim_passes_over_unread_feeds_once(
    key: FeedKey, filled: Feed, provider: FakeProvider, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    provider.accounts["other.one"] = [media(1)]
    read(replace(key, instance_id="wgt_2", source=Source(SourceType.PROFILE, "other.one")))
    Feed.objects.exclude(pk=filled.pk).update(
        last_read_at=NOW - timedelta(days=30), next_refresh_at=NOW - HOUR
    )
    Feed.objects.filter(pk=filled.pk).update(next_refresh_at=NOW - timedelta(minutes=1))

    assert refreshing.claim_due(now=NOW, limit=1) == [filled.pk]
    assert not Feed.objects.filter(next_refresh_at__lte=NOW).exists()


def test_doubled_and_late_messages_change_nothing(
    filled: Feed, provider: FakeProvider, time_machine: Any
) -> None:
    time_machine.move_to(NOW + JITTERED_HOUR, tick=False)
    for _ in range(3):
        tasks.refresh_feed(str(filled.pk))
    tasks.refresh_feed("00000000-0000-0000-0000-000000000000")

    assert len(provider.calls) == 1


def test_refresh_due_does_the_work_of_beat_and_worker(filled: Feed, provider: FakeProvider) -> None:
    assert refresh_due_now(now=NOW) == {"due": 0, "settled": 0, "renewed": 0}
    assert refresh_due_now(now=NOW + JITTERED_HOUR) == {"due": 1, "settled": 0, "renewed": 0, "succeeded": 1}
    assert len(provider.calls) == 1


def test_an_upgrade_takes_effect_at_once(workspace: Workspace, key: FeedKey, filled: Feed) -> None:
    quarter = NOW + timedelta(minutes=17)
    assert refreshing.claim_due(now=quarter, limit=10) == []
    put_on(workspace, "business")
    Feed.objects.update(
        next_refresh_at=quarter
    )  # the change was announced at the real time, not at the test's

    assert read(key, quarter).is_stale
    assert refreshing.claim_due(now=quarter, limit=10) == [filled.pk]


def test_changing_the_source_retires_the_old_feed_without_losing_its_times(
    key: FeedKey, filled: Feed, provider: FakeProvider, time_machine: Any
) -> None:
    time_machine.move_to(NOW, tick=False)
    retire_other_sources(replace(key, source=Source(SourceType.PROFILE, "new.name")))

    assert refreshing.claim_due(now=NOW + JITTERED_HOUR, limit=10) == []
    assert len(read(key, NOW + timedelta(minutes=5)).posts) == 3
    assert provider.calls == []


def test_previews_are_limited_per_workspace_and_hour(
    key: FeedKey, provider: FakeProvider, settings: Any
) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 2
    drafts = [replace(key, source=Source(SourceType.PROFILE, f"draft{n}")) for n in range(3)]
    for draft in drafts:
        provider.accounts[draft.source.value] = [media(1)]
    for draft in drafts[:2]:
        assert len(read(draft, is_preview=True).posts) == 1

    with pytest.raises(PreviewBudgetSpent) as refusal:
        read(drafts[2], is_preview=True)

    assert refusal.value.retry_at == NOW + HOUR
    assert not Feed.objects.filter(source_value="draft2").exists()
    assert len(read(drafts[0], is_preview=True).posts) == 1
    assert len(read(drafts[2], NOW + HOUR, is_preview=True).posts) == 1
    assert refreshing.claim_due(now=NOW + timedelta(days=1), limit=10) == []


def test_an_emptied_cache_gives_no_previews_back(key: FeedKey, provider: FakeProvider, settings: Any) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 1
    first, second = (replace(key, source=Source(SourceType.PROFILE, f"draft{n}")) for n in range(2))
    provider.accounts["draft0"] = [media(1)]
    assert len(read(first, is_preview=True).posts) == 1

    cache.clear()

    with pytest.raises(PreviewBudgetSpent):
        read(second, is_preview=True)


@pytest.mark.parametrize("fetched_at", [None, NOW - timedelta(days=1)])
def test_a_preview_during_a_fetch_costs_nothing(
    key: FeedKey, filled: Feed, provider: FakeProvider, settings: Any, fetched_at: datetime | None
) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 1
    settings.FEED_COLD_WAIT_SECONDS = 0
    Feed.objects.update(fetched_at=fetched_at)
    cache.clear()
    assert lease.acquire(filled.pk, seen_fence=filled.fence, lasts=timedelta(minutes=1))

    view = read(key, is_preview=True)

    assert (view.is_warming, view.is_stale) == (fetched_at is None, fetched_at is not None)
    assert provider.calls == []
    assert not PreviewWindow.objects.exists()


def test_media_links_expire_by_the_time_in_the_link(key: FeedKey, provider: FakeProvider) -> None:
    expires = NOW + timedelta(minutes=30)
    url = f"https://scontent.cdninstagram.com/v/1.jpg?oe={int(expires.timestamp()):X}"
    provider.accounts["acme.bakery"] = [media(0, media_url=url), media(1)]

    assert Warning.MEDIA_LINKS_EXPIRED not in read(key, expires - timedelta(seconds=1)).warnings
    assert Warning.MEDIA_LINKS_EXPIRED in read(key, expires).warnings
    hidden = Selection(12, hidden_ids=frozenset({media(0)["id"]}))
    assert Warning.MEDIA_LINKS_EXPIRED not in read(key, expires, hidden).warnings


@contextmanager
def database_away() -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise OperationalError("gone")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CursorWrapper, "execute", refuse)
        patch.setattr(connection, "close", lambda: None)
        yield


@pytest.mark.usefixtures("filled")
def test_without_the_database_a_filled_feed_is_still_read(key: FeedKey, time_machine: Any) -> None:
    time_machine.move_to(datetime.now(UTC) + timedelta(minutes=10))

    with database_away():
        assert len(read(key).posts) == 3
        assert len(read(key).posts) == 3


@pytest.mark.usefixtures("filled")
def test_without_database_and_copy_a_read_asks_to_retry(key: FeedKey) -> None:
    cache.clear()

    with database_away(), pytest.raises(StoreUnavailable):
        read(key)


@pytest.mark.parametrize(
    "poison",
    [
        "",
        "not json",
        "[]",
        '{"checked_at": 1}',
        json.dumps({"checked_at": 9e9, "value": ["x"]}),
        pytest.param(
            json.dumps({"checked_at": time.time(), "value": {"posts_encoded": "[]"}}),
            id="an object checked just now",
        ),
        b"\x80\x04",
        5,
    ],
)
def test_an_invalid_copy_is_replaced_from_the_database(key: FeedKey, filled: Feed, poison: Any) -> None:
    cache.set(copy_key(key, Mode.PUBLIC), poison)

    assert len(read(key).posts) == 3


def test_a_copy_of_the_previous_release_is_read(key: FeedKey, filled: Feed) -> None:
    at = copy_key(key, Mode.PUBLIC)
    stored = json.loads(cache.get(at))
    of_the_previous_release = stored | {"value": stored["value"][:9], "checked_at": time.time()}
    cache.set(at, json.dumps(of_the_previous_release))

    with database_away():
        assert len(read(key).posts) == 3


def test_the_cold_wait_is_a_setting(
    key: FeedKey, provider: FakeProvider, monkeypatch: Any, settings: Any
) -> None:
    asked = []

    class Board(InlineBoard):
        def wait_for(self, feed_id: Any, job: Any, *, timeout_seconds: float) -> tuple[Wait, Any]:
            asked.append(timeout_seconds)
            return Wait.STILL_FLYING, None

    settings.FEED_COLD_WAIT_SECONDS = 3
    monkeypatch.setattr(reading, "board", Board())
    read(key)

    assert asked == [3]
