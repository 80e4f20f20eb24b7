"""Unread feeds are removed. Feeds that are read, previewed, refreshed or in flight are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.models import Workspace
from paris_integration.connections import lifecycle
from paris_integration.feeds import fast_copy
from paris_integration.models import (
    Connection,
    Feed,
    ForcedRefresh,
    HashtagNumber,
    HashtagRefusal,
    HashtagSearch,
    ProviderWindow,
)
from paris_integration.public import read_feed
from paris_integration.retention import expiry
from paris_integration.types import Actor, FeedKey, Mode, Selection, Source, SourceType
from tests.fakes import FakeProvider
from tests.paris_integration.connections.test_connections import GRANT

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("clock")
DAY = timedelta(days=1)
TWELVE = Selection(max_posts=12)


def feed(workspace: Workspace, name: str = "acme.bakery", **values: Any) -> Feed:
    """A feed that was last used a year ago, except for `values`."""
    row = Feed.objects.create(
        workspace=workspace, instance_id="wgt_1", source_type="profile", source_value=name, mode="public"
    )
    old = NOW - 365 * DAY
    given = {"last_read_at": old, "created_at": old, "attempted_at": old, "fetched_at": old} | values
    Feed.objects.filter(pk=row.pk).update(**given)
    return row


@pytest.mark.parametrize(
    ("values", "stays"),
    [
        ({}, False),
        ({"last_read_at": NOW - 90 * DAY}, True),
        ({"last_read_at": NOW - 90 * DAY - timedelta(seconds=1)}, False),
        ({"last_read_at": None}, False),
        ({"last_read_at": None, "created_at": NOW - DAY}, True),
        ({"attempted_at": NOW - DAY}, True),
        ({"attempted_at": None}, False),
        ({"lease_expires_at": NOW + timedelta(seconds=5)}, True),
        ({"lease_expires_at": NOW - timedelta(seconds=5)}, False),
    ],
)
def test_only_feeds_unread_for_long_are_removed(
    workspace: Workspace, values: dict[str, Any], stays: bool
) -> None:
    feed(workspace, **values)

    assert expiry.remove_expired(now=NOW)["feeds"] == (0 if stays else 1)
    assert Feed.objects.exists() is stays


def test_an_active_feed_is_kept_however_short_the_retention(workspace: Workspace, settings: Any) -> None:
    settings.UNREAD_FEED_RETENTION_DAYS, settings.ACTIVE_FEED_DAYS = 1, 7
    feed(workspace, last_read_at=NOW - 6 * DAY)

    assert expiry.remove_unread_feeds(now=NOW) == 0


def test_feeds_are_removed_in_batches_and_the_ledger_is_kept(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "FEED_BATCH", 2)
    rows = [feed(workspace, f"acme.{number}") for number in range(5)]
    kept = feed(workspace, "acme.read", last_read_at=NOW)
    line = ForcedRefresh.objects.create(
        workspace=workspace, instance_id="wgt_1", source_type="profile", source_value="acme.0", feed=rows[0],
        fence=1, reserved_at=NOW, day_starts_at=NOW, hour_starts_at=NOW, state="succeeded", settled_at=NOW,
    )  # fmt: skip

    assert expiry.remove_unread_feeds(now=NOW) == 5
    assert list(Feed.objects.values_list("pk", flat=True)) == [kept.pk]
    line.refresh_from_db()
    assert line.feed_id is None


def test_a_removed_feed_is_filled_again_by_the_next_read(
    workspace: Workspace, provider: FakeProvider
) -> None:
    key = FeedKey(workspace.pk, "wgt_1", Source(SourceType.PROFILE, "acme.bakery"))
    read_feed(key, TWELVE, now=NOW)
    removed = Feed.objects.get()

    later = NOW + 91 * DAY
    assert expiry.remove_unread_feeds(now=later) == 1
    assert fast_copy.find(key, Mode.PUBLIC) is None
    view = read_feed(key, TWELVE, now=later)

    assert view.posts
    assert Feed.objects.get().pk != removed.pk


@pytest.mark.django_db
def test_refused_tags_are_deleted_once_they_may_be_requested_again() -> None:
    for tag, until in (("old", NOW - timedelta(seconds=1)), ("current", NOW + timedelta(hours=1))):
        HashtagRefusal.objects.create(account_id="1", tag=tag, until=until)

    assert expiry.remove_expired(now=NOW)["hashtagRefusals"] == 1
    assert HashtagRefusal.objects.get().tag == "current"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "searched_ago", "stays"),
    [
        ({"number": "11"}, timedelta(), True),
        ({"number": "11"}, 8 * DAY, True),
        ({"number": "11"}, 9 * DAY, False),
        ({"number": "11"}, None, False),
        ({"number": "", "unavailable_until": NOW + timedelta(hours=1)}, None, True),
        ({"number": "", "unavailable_until": NOW - timedelta(hours=1)}, None, False),
    ],
)
def test_numbers_of_tags_that_nobody_searches_are_deleted(
    values: dict[str, Any], searched_ago: timedelta | None, stays: bool
) -> None:
    HashtagNumber.objects.create(tag="bread", **values)
    HashtagNumber.objects.create(tag="cake", number="12")
    HashtagSearch.objects.create(account_id="1", tag="cake", first_at=NOW)
    if searched_ago is not None:
        HashtagSearch.objects.create(account_id="2", tag="bread", first_at=NOW - searched_ago)

    assert expiry.remove_expired(now=NOW)["hashtagNumbers"] == (0 if stays else 1)
    assert HashtagNumber.objects.filter(tag="bread").exists() is stays
    assert HashtagNumber.objects.filter(tag="cake").exists()


def test_rate_limits_of_deleted_connections_are_deleted(key: FeedKey) -> None:
    editor = Actor(7, "editor")
    lifecycle.store_grant(key, GRANT, actor=editor, now=NOW)
    connection_id = str(Connection.objects.get().pk)
    for credential in ("public", connection_id, "a0a0a0a0-0000-4000-8000-000000000000"):
        ProviderWindow.objects.create(credential=credential, parked_until=NOW + DAY)

    assert expiry.remove_expired(now=NOW)["rateLimits"] == 1
    assert set(ProviderWindow.objects.values_list("pk", flat=True)) == {"public", connection_id}
    lifecycle.disconnect(key, actor=editor, now=NOW)
    assert expiry.remove_expired(now=NOW)["rateLimits"] == 1
    assert ProviderWindow.objects.get().pk == "public"
