"""The hourly mark of a read on PostgreSQL, while others hold the feed's row or every connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from entitlements.models import Plan, Workspace
from foundation.cache import database_breaker
from paris_integration.feeds import reading
from paris_integration.models import Feed
from paris_integration.public import FeedView, read_feed
from paris_integration.types import FeedKey, Selection, Source, SourceType
from tests.fakes import FakeProvider
from tests.foundation.test_postgresql import held_by_others
from tests.marks import needs_postgres

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=61)
plans: Any = import_module("entitlements.migrations.0002_plans")

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def key(transactional_db: None, provider: FakeProvider) -> FeedKey:
    """The key of a feed that was filled and read at NOW."""
    plans.create_plans(apps, None)  # a test before this one may have emptied the tables
    workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))
    key = FeedKey(workspace.pk, "wgt_1", Source(SourceType.PROFILE, "acme.bakery"))
    read(key, NOW)
    return key


def read(key: FeedKey, now: datetime) -> FeedView:
    return read_feed(key, Selection(max_posts=12), now=now)


def last_read_at() -> datetime | None:
    return Feed.objects.values_list("last_read_at", flat=True).get()


@contextmanager
def row_held() -> Iterator[None]:
    """Another connection has changed the feeds and not committed yet, as while a plan is changed."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        with other.cursor() as cursor:
            cursor.execute("UPDATE paris_integration_feed SET next_refresh_at = now()")
        yield
    finally:
        other.rollback()
        other.close()


def test_a_read_does_not_wait_for_a_locked_row(key: FeedKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "RECHECK_SECONDS", 10.0)
    with row_held():
        began = time.monotonic()
        views = [read(key, LATER) for _ in range(2)]

        assert time.monotonic() - began < 3
        assert [len(view.posts) for view in views] == [3, 3]
        assert last_read_at() == NOW
        assert not database_breaker.is_open
    read(key, LATER)
    assert last_read_at() == LATER


def test_a_read_waits_only_shortly_for_a_connection(key: FeedKey, monkeypatch: pytest.MonkeyPatch) -> None:
    read(key, NOW)
    connection.close()
    size = connection.settings_dict["OPTIONS"]["pool"]["max_size"]
    with monkeypatch.context() as short, held_by_others(size, waiting=False):
        short.setattr(reading, "RECHECK_SECONDS", 0.1)
        began = time.monotonic()
        assert len(read(key, LATER).posts) == 3
        assert time.monotonic() - began < 3
    read(key, LATER)
    assert last_read_at() == LATER
