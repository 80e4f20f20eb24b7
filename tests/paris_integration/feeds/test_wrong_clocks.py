"""After a wrong clock or an odd header, no stored time counts beyond the ceiling of its rule."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache

from paris_integration.connections import hashtags, lifecycle, renewals
from paris_integration.connections.logins import begin_login, take_state
from paris_integration.errors import HashtagQuotaExhausted, ProviderUnavailable, SourceNotFound
from paris_integration.feeds import lease, refreshing
from paris_integration.models import (
    Connection,
    Feed,
    ForcedRefresh,
    HashtagNumber,
    HashtagSearch,
    LoginAttempt,
    Pause,
    ProviderWindow,
)
from paris_integration.observing import gauges
from paris_integration.providers.base import Usage
from paris_integration.public import Actor, force_refresh, read_feed
from paris_integration.quota import ledger
from paris_integration.types import FeedKey, FeedView, Login, Secret, Selection, Source, SourceType, Warning
from tests.fakes import FakeLogins, FakeProvider, media
from tests.paris_integration.connections.test_connections import GRANT

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
AHEAD = 70 * DAY
SECOND = timedelta(seconds=1)
TWELVE = Selection(max_posts=12)
EDITOR = Actor(7, "editor")

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def stale(key: FeedKey, provider: FakeProvider) -> Feed:
    """A feed whose TTL has passed. The recorded calls are cleared."""
    read(key, NOW - 2 * HOUR)
    provider.calls.clear()
    return Feed.objects.get()


def read(key: FeedKey, now: datetime = NOW) -> FeedView:
    return read_feed(key, TWELVE, now=now)


def stamp(**times: Any) -> None:
    Feed.objects.update(**times)
    cache.clear()


# Feeds


def test_a_back_off_stamped_days_ahead_ends_when_the_clock_is_right_again(
    key: FeedKey, stale: Feed, provider: FakeProvider
) -> None:
    provider.raises(ProviderUnavailable(status=503))
    refreshing.refresh_feed(stale.pk, now=NOW + AHEAD)
    provider.recovers()

    assert read(key).next_refresh_allowed_at is None
    assert refreshing.refresh_feed(stale.pk, now=NOW).result is refreshing.Result.SUCCEEDED


STORED = [
    # fault, blocked_at, blocked_until, what is announced
    pytest.param("PROVIDER_UNAVAILABLE", NOW, NOW + 5 * MINUTE, NOW + 5 * MINUTE, id="unchanged"),
    pytest.param("PROVIDER_UNAVAILABLE", NOW, NOW + AHEAD, NOW + HOUR, id="a transient fault: an hour"),
    pytest.param("PROVIDER_ERROR", NOW - HOUR, NOW + AHEAD, None, id="an hour that is over"),
    pytest.param("PROVIDER_RATE_LIMITED", NOW, NOW + AHEAD, NOW + DAY, id="a throttle: a day"),
    pytest.param("HASHTAG_QUOTA_EXHAUSTED", NOW, NOW + AHEAD, NOW + DAY, id="the tags' quota: a day"),
    pytest.param("SOURCE_NOT_FOUND", NOW, NOW + AHEAD, NOW + DAY, id="an unknown source: a day"),
    pytest.param("SOURCE_NOT_FOUND", NOW + AHEAD, NOW + AHEAD + HOUR, None, id="stamped in the future"),
    pytest.param(
        "SOURCE_NOT_FOUND", NOW + MINUTE, NOW + HOUR, NOW + HOUR, id="stamped by a clock a minute ahead"
    ),
    pytest.param("SOURCE_NOT_FOUND", None, NOW + HOUR, NOW + HOUR, id="by the previous release, unchanged"),
    pytest.param("SOURCE_NOT_FOUND", None, NOW + AHEAD, None, id="by the previous release, too far ahead"),
]


@pytest.mark.parametrize(("fault", "blocked_at", "blocked_until", "announced"), STORED)
def test_a_back_off_is_enforced_as_announced(
    key: FeedKey,
    stale: Feed,
    provider: FakeProvider,
    clock: Any,
    fault: str,
    blocked_at: datetime | None,
    blocked_until: datetime,
    announced: datetime | None,
) -> None:
    stamp(
        fault=fault, outcome="failed", blocked_at=blocked_at, blocked_until=blocked_until, attempted_at=None
    )

    assert read(key).next_refresh_allowed_at == announced
    assert read(key).next_refresh_allowed_at == announced, "the fast copy says the same"
    if announced is not None:
        assert refreshing.refresh_feed(stale.pk, now=announced - SECOND).result is refreshing.Result.NOT_DUE
        clock.move_to(announced - SECOND, tick=False)
        view = force_refresh(key, TWELVE, actor=EDITOR, now=announced - SECOND)
        assert (provider.calls, view.next_refresh_allowed_at) == ([], announced)
    clock.move_to(announced or NOW, tick=False)
    force_refresh(key, TWELVE, actor=EDITOR, now=announced or NOW)
    assert len(provider.calls) == 1


@pytest.mark.parametrize("minutes_ahead", [6, 59, 70 * 24 * 60])
def test_a_copy_stamped_in_the_future_is_stale(key: FeedKey, stale: Feed, minutes_ahead: int) -> None:
    stamp(fetched_at=NOW + minutes_ahead * MINUTE)

    view = read(key)

    assert (view.is_stale, view.next_refresh_allowed_at) == (True, None)


def test_beat_finds_a_feed_whose_next_time_is_far_ahead(stale: Feed) -> None:
    stamp(next_refresh_at=NOW + AHEAD)

    assert refreshing.claim_due(now=NOW, limit=10) == [stale.pk]
    assert refreshing.claim_due(now=NOW, limit=10) == []
    assert refreshing.refresh_feed(stale.pk, now=NOW).result is refreshing.Result.SUCCEEDED


def test_due_feeds_come_before_feeds_stamped_far_ahead(
    key: FeedKey, stale: Feed, provider: FakeProvider
) -> None:
    provider.accounts["other.one"] = [media(1)]
    read(replace(key, instance_id="wgt_2", source=Source(SourceType.PROFILE, "other.one")), NOW - 2 * HOUR)
    Feed.objects.filter(pk=stale.pk).update(next_refresh_at=NOW + AHEAD)
    due = Feed.objects.exclude(pk=stale.pk).get()

    assert refreshing.claim_due(now=NOW, limit=1) == [due.pk]
    assert refreshing.claim_due(now=NOW, limit=1) == [stale.pk]


def test_a_feed_marked_as_read_in_the_future_is_marked_again_by_the_next_read(
    key: FeedKey, stale: Feed
) -> None:
    stamp(last_read_at=NOW + AHEAD)
    assert refreshing.claim_due(now=NOW, limit=10) == []

    read(key)

    assert Feed.objects.get().last_read_at == NOW
    assert refreshing.claim_due(now=NOW, limit=10) == [stale.pk]


def test_a_lease_stamped_far_ahead_is_ignored(key: FeedKey, stale: Feed, provider: FakeProvider) -> None:
    stamp(lease_expires_at=datetime.now(UTC) + AHEAD)

    assert not lease.is_held(stale.pk)
    force_refresh(key, TWELVE, actor=EDITOR, now=NOW)
    assert len(provider.calls) == 1


def test_a_pause_stamped_in_the_future_is_ignored(key: FeedKey, stale: Feed, provider: FakeProvider) -> None:
    stamp(paused_at=NOW + AHEAD, paused_until=NOW + AHEAD + DAY)
    Pause.objects.create(
        instance_id="wgt_1", workspace_id=key.workspace_id, ordered_at=NOW + AHEAD, until=NOW + AHEAD + DAY
    )
    provider.accounts["new.source"] = [media(1)]

    assert read(key).next_refresh_allowed_at is None
    assert refreshing.refresh_feed(stale.pk, now=NOW).result is refreshing.Result.SUCCEEDED
    assert len(read(replace(key, source=Source(SourceType.PROFILE, "new.source"))).posts) == 1


# Windows of credentials


def test_an_odd_header_stops_calls_for_a_day_at_most(key: FeedKey, provider: FakeProvider) -> None:
    provider.usage = Usage(percent=100, regain_minutes=1_000_000)
    provider.accounts["other.one"] = [media(1)]
    other = replace(key, instance_id="wgt_2", source=Source(SourceType.PROFILE, "other.one"))

    read(key)
    held_back = read(other)

    assert held_back.warnings == {Warning.PROVIDER_RATE_LIMITED}
    assert held_back.next_refresh_allowed_at == NOW + DAY
    assert len(read(other, NOW + DAY).posts) == 1


@pytest.mark.parametrize(
    ("parked_at", "parked_until"),
    [
        pytest.param(None, NOW + 694 * DAY, id="by the previous release"),
        pytest.param(NOW - DAY, NOW + 694 * DAY, id="a day ago, for years"),
        pytest.param(NOW + AHEAD, NOW + AHEAD + HOUR, id="in the future"),
    ],
)
def test_a_rate_limit_beyond_its_ceiling_is_ignored(
    key: FeedKey, provider: FakeProvider, parked_at: datetime | None, parked_until: datetime
) -> None:
    ProviderWindow.objects.create(credential="public", parked_at=parked_at, parked_until=parked_until)

    assert parked() == 0
    assert len(read(key).posts) == 3


@pytest.mark.parametrize("parked_at", [NOW - HOUR, None], ids=["by this release", "by the previous one"])
def test_a_current_rate_limit_applies_and_is_in_the_metrics(
    key: FeedKey, provider: FakeProvider, parked_at: datetime | None
) -> None:
    ProviderWindow.objects.create(credential="public", parked_at=parked_at, parked_until=NOW + HOUR)

    assert parked() == 1
    assert read(key).warnings == {Warning.PROVIDER_RATE_LIMITED}


def parked() -> float:
    """The number of parked operator credentials in the metrics."""
    families = {family.name: family for family in gauges.DatabaseGauges().collect()}
    samples = families["instagram_provider_parked_credentials"].samples
    return next(sample.value for sample in samples if sample.labels == {"kind": "public"})


def test_a_new_throttle_is_not_lengthened_by_an_odd_old_one(key: FeedKey, provider: FakeProvider) -> None:
    ProviderWindow.objects.create(credential="public", parked_until=NOW + 694 * DAY)
    provider.usage = Usage(percent=100, regain_minutes=20)

    read(key)

    window = ProviderWindow.objects.get()
    assert (window.parked_at, window.parked_until) == (NOW, NOW + 20 * MINUTE)


# The ledger


def test_a_line_opened_in_the_future_is_settled(key: FeedKey, stale: Feed) -> None:
    force_refresh(key, TWELVE, actor=EDITOR, now=NOW)
    ForcedRefresh.objects.update(state="reserved", settled_at=None, reserved_at=NOW + AHEAD)

    assert ledger.settle_orphans(older_than=25 * SECOND) == 1


# Connections and logins


@pytest.fixture
def connected(key: FeedKey) -> Connection:
    lifecycle.store_grant(key, GRANT, actor=EDITOR, now=NOW)
    return Connection.objects.get()


def test_a_token_stored_by_a_clock_ahead_is_renewed_in_time(
    connected: Connection, logins: FakeLogins
) -> None:
    ahead = NOW + AHEAD
    Connection.objects.update(
        obtained_at=ahead, expires_at=ahead + 60 * DAY, next_renewal_at=ahead + 40 * DAY
    )

    assert renewals.due_connections(now=NOW, limit=10) == [connected.pk]
    assert renewals.renew_token(connected.pk, now=NOW).result == "renewed"
    assert renewals.due_connections(now=NOW, limit=10) == []


def test_a_token_stored_by_a_clock_ahead_is_not_tried_more_often_than_daily(
    connected: Connection, logins: FakeLogins
) -> None:
    ahead = NOW + AHEAD
    Connection.objects.update(
        obtained_at=ahead, expires_at=ahead + 60 * DAY, next_renewal_at=ahead + 40 * DAY
    )
    logins.renewal_error = ProviderUnavailable(status=503)

    assert renewals.renew_token(connected.pk, now=NOW).result == "failed"
    assert renewals.due_connections(now=NOW + 23 * HOUR, limit=10) == []
    assert renewals.due_connections(now=NOW + 27 * HOUR, limit=10) == [connected.pk]
    logins.renewal_error = None
    assert renewals.renew_token(connected.pk, now=NOW + 27 * HOUR).result == "renewed"


def test_a_token_that_lives_for_years_is_renewed_within_weeks(key: FeedKey) -> None:
    lifecycle.store_grant(key, replace(GRANT, expires_at=NOW + 1_000 * DAY), actor=EDITOR, now=NOW)

    assert renewals.due_connections(now=NOW, limit=10) == []
    assert len(renewals.due_connections(now=NOW + 41 * DAY, limit=10)) == 1


def test_a_renewal_lease_stamped_far_ahead_is_ignored(connected: Connection, logins: FakeLogins) -> None:
    Connection.objects.update(
        renewal_lease_expires_at=datetime.now(UTC) + AHEAD, next_renewal_at=NOW, obtained_at=NOW - 2 * DAY
    )

    assert renewals.renew_token(connected.pk, now=NOW).result == "renewed"


@pytest.mark.parametrize("ahead", [True, False], ids=["begun by a clock ahead", "begun now"])
def test_a_login_lasts_ten_minutes_by_any_clock(
    key: FeedKey, logins: FakeLogins, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    caller = Actor(7, "editor", "session")
    monkeypatch.setattr(secrets, "token_urlsafe", lambda _: "state")
    begin_login(
        key, Login.INSTAGRAM, actor=caller, redirect_uri="https://x.example/", callback_uri="https://y.example/",
        now=NOW + AHEAD if ahead else NOW,
    )  # fmt: skip

    taken = take_state(Login.INSTAGRAM, "state", actor=caller, now=NOW)

    assert (taken is None) is ahead
    assert LoginAttempt.objects.filter(consumed_at__isnull=False).exists() is not ahead


# Tags


def test_a_tag_known_as_unavailable_is_requested_again_within_a_day(provider: FakeProvider) -> None:
    with pytest.raises(SourceNotFound):
        hashtags.number_of("bread", account_id="1", token=Secret("EAAB"), now=NOW + AHEAD)
    provider.tags["bread"] = "11"

    assert hashtags.number_of("bread", account_id="1", token=Secret("EAAB"), now=NOW) == "11"
    assert HashtagNumber.objects.get().unavailable_until is None


def test_searches_stamped_in_the_future_expire_after_seven_days(provider: FakeProvider) -> None:
    for n in range(31):
        provider.tags[f"tag{n}"] = str(n + 1)
    for n in range(30):
        hashtags.number_of(f"tag{n}", account_id="1", token=Secret("EAAB"), now=NOW + AHEAD)

    with pytest.raises(HashtagQuotaExhausted) as refusal:
        hashtags.number_of("tag30", account_id="1", token=Secret("EAAB"), now=NOW)

    assert refusal.value.retry_after_seconds == (7 * DAY).total_seconds()
    assert hashtags.number_of("tag30", account_id="1", token=Secret("EAAB"), now=NOW + 7 * DAY) == "31"
    assert HashtagSearch.objects.count() == 1
