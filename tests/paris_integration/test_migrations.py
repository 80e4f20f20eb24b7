"""What migrations do to rows of the previous release."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps

from entitlements.models import Plan, Workspace
from paris_integration.models import Feed, Pause

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
wrong_clocks: Any = import_module("paris_integration.migrations.0010_wrong_clocks")
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def test_a_pause_of_the_previous_release_goes_on() -> None:
    workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="pro"))
    for name, days in (("paused", 20), ("over", -1)):
        until = NOW + timedelta(days=days)
        Pause.objects.create(instance_id=name, workspace=workspace, until=until)
        Feed.objects.create(
            workspace=workspace, instance_id=name, source_type="profile", source_value="acme", mode="public",
            blocked_until=until,
        )  # fmt: skip

    wrong_clocks.move_pauses(apps, None)

    paused, over = Feed.objects.get(instance_id="paused"), Feed.objects.get(instance_id="over")
    assert (paused.paused_at, paused.paused_until) == (NOW, NOW + timedelta(days=20))
    assert paused.blocked_until == paused.paused_until, "processes of the previous release read this"
    assert Pause.objects.get(pk="paused").ordered_at == NOW
    assert (over.paused_at, over.paused_until) == (None, None)
