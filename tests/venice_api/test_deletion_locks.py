"""Widgets and their workspace deleted at the same time on PostgreSQL: no deadlock, and nothing left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from entitlements.models import Workspace
from paris_integration.models import Connection
from paris_integration.types import FeedKey
from tests.marks import needs_postgres
from tests.paris_integration.connections.test_connection_locks import (
    held,
    key,
    run,
    store,
    wait_for_blocked,
)
from venice_api.models import WidgetInstance

__all__ = ["key", "run"]

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def widgets(key: FeedKey) -> list[str]:
    """Two connected widgets of one workspace."""
    for number in (1, 2):
        widget = WidgetInstance.objects.create(
            pk=f"wgt_{number}", workspace_id=key.workspace_id, source_value="acme.bakery"
        )
        store(replace(key, instance_id=widget.pk))
    return ["wgt_1", "wgt_2"]


DELETIONS: dict[str, Callable[[], object]] = {
    "workspace": lambda: Workspace.objects.get().delete(),
    "first widget": lambda: WidgetInstance.objects.filter(pk="wgt_1").delete(),
    "second widget": lambda: WidgetInstance.objects.filter(pk="wgt_2").delete(),
    "both widgets": lambda: WidgetInstance.objects.order_by("-pk").delete(),
}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("workspace", "second widget"),
        ("second widget", "workspace"),
        ("both widgets", "first widget"),
        ("workspace", "both widgets"),
    ],
)
@pytest.mark.usefixtures("widgets")
def test_a_workspace_and_its_widgets_are_deleted_at_the_same_time(run: Any, first: str, second: str) -> None:
    with held(Connection.objects.all()):
        deletions = []
        for number, name in enumerate((first, second), start=1):
            deletions.append(run(DELETIONS[name]))
            wait_for_blocked(number)
    for deletion in deletions:
        deletion.result(timeout=20)

    assert not WidgetInstance.objects.filter(pk="wgt_2").exists()
    if "workspace" in (first, second):
        assert Workspace.objects.count() == Connection.objects.count() == 0
