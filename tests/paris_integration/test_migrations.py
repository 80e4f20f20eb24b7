"""Rows that the previous release wrote, and those it writes during a deployment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, models
from django.utils import timezone

from entitlements.models import Workspace
from paris_integration.models import (
    AuditEvent,
    Connection,
    DeletionRequest,
    Feed,
    LoginAttempt,
    Pause,
)

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
wrong_clocks: Any = import_module("paris_integration.migrations.0010_wrong_clocks")
withdrawn: Any = import_module("paris_integration.migrations.0008_logins_withdrawn")
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("connected", "@acme.bakery by instagram login", "by instagram login"),
        ("connected", "@acme.bakery by facebook login", "by facebook login"),
        ("disconnected", "@acme.bakery", ""),
        ("connected", "by facebook login", "by facebook login"),
        ("purged", "@anna asked for it", "@anna asked for it"),
    ],
)
def test_account_names_are_removed_from_notes(action: str, before: str, after: str) -> None:
    AuditEvent.objects.create(at=NOW, actor="ed", action=action, outcome="done", note=before)
    withdrawn.strip_usernames(apps, None)
    assert AuditEvent.objects.get().note == after


def test_rows_of_the_previous_release_can_be_inserted(workspace: Workspace) -> None:
    """Its statements don't include the new columns."""
    insert_without(
        {"never_expires"},
        Connection(
            workspace=workspace, login="facebook", account_id="1", username="acme.bakery", obtained_at=NOW,
            state_changed_at=NOW, created_at=NOW,
        ),
    )  # fmt: skip
    insert_without(
        {"began_at", "token_never_expires"},
        LoginAttempt(
            state_hash="x", user_id=1, session_hash="y", workspace=workspace, instance_id="wgt_1",
            login="facebook", redirect_uri="https://x.example", expires_at=NOW,
        ),
    )  # fmt: skip
    for code in ("A", "B"):
        insert_without({"signature_hash"}, DeletionRequest(code=code, login="facebook", requested_at=NOW))

    assert Connection.objects.get().never_expires is False
    attempt = LoginAttempt.objects.get()
    assert attempt.token_never_expires is False
    assert abs(attempt.began_at - timezone.now()) < timedelta(minutes=10)
    assert list(DeletionRequest.objects.values_list("signature_hash", flat=True)) == [None, None]


@pytest.mark.usefixtures("clock")
def test_a_pause_of_the_previous_release_stays_in_force(workspace: Workspace) -> None:
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


def insert_without(names: set[str], row: models.Model) -> None:
    fields = [field for field in row._meta.local_concrete_fields if field.name not in names]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    values = [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{row._meta.db_table}" ({columns}) VALUES ({", ".join(["%s"] * len(values))})',  # noqa: S608
            values,
        )
