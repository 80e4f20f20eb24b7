"""What a background refresh costs the database, besides the call to the provider."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entitlements.metric_labels import labels
from paris_integration.feeds import rate_limits, refreshing
from paris_integration.feeds.refreshing import Result
from paris_integration.models import Feed, ProviderWindow
from paris_integration.providers.base import Usage
from paris_integration.public import read_feed
from paris_integration.types import FeedKey, Selection
from tests.fakes import FakeProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
USAGE = Usage(percent=3.0)


@pytest.fixture
def feed(key: FeedKey, provider: FakeProvider) -> Feed:
    """A feed filled at NOW, which is due at LATER."""
    read_feed(key, Selection(max_posts=12), now=NOW)
    labels.label_of(key.workspace_id)  # asked for once per process
    return Feed.objects.get()


def test_a_refresh_reads_what_decides_and_writes_twice(feed: Feed) -> None:
    with CaptureQueriesContext(connection) as queries:
        outcome = refreshing.refresh_feed(feed.pk, now=LATER)

    statements = [query["sql"] for query in queries.captured_queries]
    assert outcome.result is Result.SUCCEEDED
    assert len(statements) <= 9, "\n".join(statements)
    # The lease and the result. Each is one statement, so it needs no BEGIN and COMMIT around it.
    assert [sql.split()[0] for sql in statements if not sql.startswith(("SELECT", "(SELECT"))] == [
        "UPDATE",
        "UPDATE",
    ]


@pytest.mark.django_db
def test_usage_is_noted_once_a_minute_while_it_stays_the_same(clock: Any) -> None:
    rate_limits.note_success("public", USAGE, now=NOW)
    clock.shift(59)
    with CaptureQueriesContext(connection) as queries:
        rate_limits.note_success("public", USAGE, now=datetime.now(UTC))

    assert [query["sql"].split()[0] for query in queries.captured_queries] == ["SELECT"]
    clock.shift(1)
    rate_limits.note_success("public", USAGE, now=datetime.now(UTC))
    assert ProviderWindow.objects.get().updated_at == datetime.now(UTC)


@pytest.mark.django_db
@pytest.mark.parametrize("usage", [Usage(percent=4.0), Usage(percent=100.0), Usage(3.0, regain_minutes=5)])
def test_other_usage_is_noted_at_once(clock: Any, usage: Usage) -> None:
    rate_limits.note_success("public", USAGE, now=NOW)

    until = rate_limits.note_success("public", usage, now=NOW)

    row = ProviderWindow.objects.get()
    assert (row.usage_percent, row.parked_until) == (usage.percent, until)
    assert (until is not None) is (usage != Usage(percent=4.0))


@pytest.mark.django_db
def test_usage_after_a_throttle_ends_the_count_of_throttles(clock: Any) -> None:
    rate_limits.note_success("public", USAGE, now=NOW)
    rate_limits.park("public", until=NOW, now=NOW)

    rate_limits.note_success("public", USAGE, now=NOW)

    assert ProviderWindow.objects.get().throttles == 0
