"""Feeds are checked again after a change of limits: at once for a few workspaces, in parts for many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from entitlements.changes import Actor, set_plan_value
from entitlements.models import Plan, Workspace
from paris_integration import tasks
from paris_integration.feeds import rescheduling
from paris_integration.models import Feed, LimitsChange
from paris_integration.public import refresh_due_now
from tests.fakes import FakeProvider

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
TTL = "instagram.refresh.ttlMinutes.min"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The feeds that were sent to the workers."""
    ids: list[str] = []
    monkeypatch.setattr(tasks.refresh_feeds, "delay", ids.extend)
    return ids


def feeds(count: int, **values: Any) -> list[UUID]:
    """Feeds that are due in an hour, each in a workspace on the plan Pro."""
    plan = Plan.objects.get(key="pro")
    workspaces = Workspace.objects.bulk_create(Workspace(name="Acme", plan=plan) for _ in range(count))
    columns = {"mode": "public", "source_type": "profile", "source_value": "acme.bakery"}
    columns |= {"fetched_at": NOW - HOUR / 2, "last_read_at": NOW, "next_refresh_at": NOW + HOUR} | values
    rows = (
        Feed(workspace=workspace, instance_id=f"wgt_{workspace.pk}", **columns) for workspace in workspaces
    )
    return [feed.pk for feed in Feed.objects.bulk_create(rows)]


def checked_at(ids: list[UUID]) -> set[datetime | None]:
    return set(Feed.objects.filter(pk__in=ids).values_list("next_refresh_at", flat=True))


def change_plan() -> None:
    set_plan_value(Plan.objects.get(key="pro"), TTL, 15, actor=Actor("test"))


def test_feeds_of_a_few_workspaces_are_checked_at_once() -> None:
    later, unchecked = feeds(2), feeds(1, next_refresh_at=None)
    due, unread = feeds(1, next_refresh_at=NOW - HOUR), feeds(1, last_read_at=None)

    change_plan()

    assert checked_at(later) == checked_at(unchecked) == {NOW}
    assert checked_at(due) == {NOW - HOUR}
    assert checked_at(unread) == {NOW + HOUR}
    assert not LimitsChange.objects.exists()


def test_feeds_of_many_workspaces_are_checked_by_beat(
    monkeypatch: pytest.MonkeyPatch, sent: list[str]
) -> None:
    monkeypatch.setattr(rescheduling, "WORKSPACES_AT_ONCE", 2)
    ids = feeds(5)

    change_plan()

    assert (checked_at(ids), LimitsChange.objects.count()) == ({NOW + HOUR}, 3)
    assert tasks.enqueue_due_refreshes() == 5
    assert sorted(sent) == sorted(map(str, ids))
    assert not LimitsChange.objects.exists()


def test_feeds_that_are_due_come_first(monkeypatch: pytest.MonkeyPatch, sent: list[str]) -> None:
    monkeypatch.setattr(rescheduling, "WORKSPACES_AT_ONCE", 2)
    monkeypatch.setattr(tasks, "CLAIM_BATCH", 2)
    monkeypatch.setattr(tasks, "CLAIM_BATCHES_PER_TICK", 2)
    due, later = feeds(4, next_refresh_at=NOW - HOUR), feeds(3)
    change_plan()

    assert tasks.enqueue_due_refreshes() == 4
    assert sorted(sent) == sorted(map(str, due))
    assert checked_at(later) == {NOW + HOUR}
    while LimitsChange.objects.exists():
        tasks.enqueue_due_refreshes()
    tasks.enqueue_due_refreshes()
    assert set(map(str, later)) <= set(sent)


def test_the_command_checks_all_of_them(monkeypatch: pytest.MonkeyPatch, provider: FakeProvider) -> None:
    monkeypatch.setattr(rescheduling, "WORKSPACES_AT_ONCE", 1)
    feeds(3)
    change_plan()

    assert refresh_due_now(now=NOW) == {"due": 3, "settled": 0, "renewed": 0, "succeeded": 3}
    assert len(provider.calls) == 3
    assert not LimitsChange.objects.exists()
