"""Queries whose SQL is written once find what Django's own queries find."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db.models import Q

from entitlements.models import EntitlementOverride, Plan, Workspace
from foundation.prepared import Prepared
from paris_integration.models import Feed

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db

_feeds: Prepared[Feed] = Prepared(
    lambda pk: Feed.objects.with_orders().filter(pk=pk).select_related("workspace"), pk=UUID
)
_ended: Prepared[tuple[str, object]] = Prepared(
    lambda key, at, workspace_id: (
        EntitlementOverride.objects.filter(
            Q(ends_at__lte=at) | Q(ends_at__isnull=True), key=key, workspace_id=workspace_id
        )
        .order_by("pk")
        .values_list("key", "value")
    ),
    key=str,
    at=datetime,
    workspace_id=UUID,
)


@pytest.fixture
def workspaces() -> list[Workspace]:
    plan = Plan.objects.order_by("rank").first()
    assert plan
    return [Workspace.objects.create(name=f"Workspace {number}", plan=plan) for number in range(2)]


def test_each_call_finds_the_row_of_its_value(workspaces: list[Workspace]) -> None:
    made = [
        Feed.objects.create(
            workspace=workspace, instance_id="wgt_1", source_type="profile", source_value="acme", mode="public",
            last_read_at=NOW, posts_encoded="[]", profile={"username": "acme"},
        )
        for workspace in workspaces
    ]  # fmt: skip

    for feed, workspace in zip(made, workspaces, strict=True):
        found = _feeds.first(pk=feed.pk)
        wanted = Feed.objects.with_orders().get(pk=feed.pk)
        assert found is not None
        assert found.__dict__.keys() >= wanted.__dict__.keys()
        columns = {name: value for name, value in wanted.__dict__.items() if name != "_state"}
        assert {name: found.__dict__[name] for name in columns} == columns
        assert found.workspace.name == workspace.name
    assert _feeds.rows(pk=uuid4()) == []


def test_values_of_every_kind_replace_the_examples(workspaces: list[Workspace]) -> None:
    workspace, other = workspaces
    for owner, key, value, days in (
        (workspace, "feeds.manual_refresh", True, 1),
        (workspace, "feeds.manual_refresh_per_day", 7, 1),
        (other, "feeds.manual_refresh_per_day", 8, 1),
    ):
        EntitlementOverride.objects.create(
            workspace=owner, key=key, value=value, ends_at=NOW + timedelta(days=days)
        )
    key = "feeds.manual_refresh_per_day"

    def found(at: datetime, owner: Workspace) -> list[tuple[str, object]]:
        return _ended.rows(key=key, at=at, workspace_id=owner.pk)

    assert found(NOW + timedelta(days=1), workspace) == [(key, 7)]
    assert found(NOW + timedelta(days=1), other) == [(key, 8)]
    assert found(NOW, workspace) == []


def test_a_value_that_looks_like_sql_is_only_a_value(workspaces: list[Workspace]) -> None:
    assert _ended.rows(key="' OR 1=1 --%s", at=NOW, workspace_id=workspaces[0].pk) == []
