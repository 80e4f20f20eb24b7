"""Large tables are cleaned up in batches, each in a separate transaction."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from allauth.usersessions.models import UserSession
from axes.models import AccessAttempt
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models import QuerySet

from entitlements.models import EntitlementChange, Invitation, Plan, Workspace
from foundation import batches
from paris_integration.models import AuditEvent, DailyUsage, ForcedRefresh
from paris_integration.retention import expiry
from venice_api import sightings, tasks
from venice_api.models import DailyReads, PageSighting, WidgetInstance

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OLD = NOW - timedelta(days=4_000)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


class Killed(Exception):
    pass


@pytest.fixture
def workspace(transactional_db: None) -> Workspace:
    plan, _ = Plan.objects.get_or_create(key="t", defaults={"name": "T", "rank": 99})
    return Workspace.objects.create(name="Acme", plan=plan)


def killed_at(table: str, number: int, verb: str = "DELETE") -> Any:
    """Raises at the table's deletion or update of this number, counted from 1."""
    seen = 0

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        if sql.startswith(verb) and f' "{table}" ' in sql:
            seen += 1
            if seen == number:
                raise Killed
        return execute(sql, params, many, context)

    return connection.execute_wrapper(watch)


def rows_of(model: Any, workspace: Workspace) -> None:
    """Five old rows and one of today."""
    of = {"workspace": workspace, "instance_id": "wgt_1"}
    for at in [*(OLD - timedelta(days=ago) for ago in range(5)), NOW]:
        if model is AuditEvent:
            model.objects.create(at=at, actor="ed", action="purged", outcome="done", **of)
        elif model is DailyUsage:
            model.objects.create(workspace=workspace, day=at.date())
        else:
            model.objects.create(
                source_type="profile", source_value="acme", fence=1, reserved_at=at, day_starts_at=at,
                hour_starts_at=at, settled_at=at, state="succeeded", **of,
            )  # fmt: skip


@pytest.mark.parametrize("model", [AuditEvent, ForcedRefresh, DailyUsage])
def test_what_was_deleted_before_a_crash_stays_deleted(
    model: Any, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiry, "BATCH", 2)
    rows_of(model, workspace)

    with killed_at(model._meta.db_table, 3), pytest.raises(Killed):
        expiry.remove_expired(now=NOW)
    assert model.objects.count() == 2
    expiry.remove_expired(now=NOW)
    assert model.objects.count() == 1


def test_old_sightings_are_deleted_in_batches(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    widget = WidgetInstance.objects.create(workspace=workspace, source_value="acme")
    for number in range(5):
        PageSighting.objects.create(instance=widget, host=f"s{number}.example", last_seen_at=OLD)
        DailyReads.objects.create(instance=widget, day=(OLD - timedelta(days=number)).date(), reads=1)
    kept = PageSighting.objects.create(instance=widget, host="new.example", last_seen_at=NOW)

    with killed_at(DailyReads._meta.db_table, 3), pytest.raises(Killed):
        sightings.remove_old(now=NOW)
    assert list(PageSighting.objects.all()) == [kept]
    assert DailyReads.objects.count() == 1
    assert sightings.remove_old(now=NOW) == 1


def old_invitations(workspace: Workspace) -> None:
    for number in range(5):
        Invitation.objects.create(
            workspace=workspace, email=f"{number}@shop.example", role="viewer", secret_hash=str(number),
            sent_at=OLD, expires_at=OLD,
        )  # fmt: skip


def old_addresses(workspace: Workspace) -> None:
    for number in range(5):
        change = EntitlementChange.objects.create(key="invitation", note=f"{number}@shop.example")
        EntitlementChange.objects.filter(pk=change.pk).update(at=OLD)


def old_failures(workspace: Workspace) -> None:
    for number in range(5):
        AccessAttempt.objects.create(username=f"u{number}", failures_since_start=1)
    AccessAttempt.objects.update(attempt_time=OLD)


def old_sessions(workspace: Workspace) -> None:
    for number in range(5):
        Session.objects.create(session_key=str(number), expire_date=OLD)


def old_user_sessions(workspace: Workspace) -> None:
    user = User.objects.create_user("robin")
    for number in range(5):
        UserSession.objects.create(user=user, session_key=str(number), ip="10.0.0.1", created_at=OLD)


@pytest.mark.parametrize(
    ("make", "clean", "verb", "left"),
    [
        (old_invitations, tasks.remove_old_invitations, "DELETE", Invitation.objects.all()),
        (old_addresses, tasks.remove_old_invitations, "UPDATE", EntitlementChange.objects.exclude(note="")),
        (old_failures, tasks.forget_failed_sign_ins, "DELETE", AccessAttempt.objects.all()),
        (old_sessions, tasks.remove_ended_sessions, "DELETE", Session.objects.all()),
        (old_user_sessions, tasks.remove_ended_sessions, "DELETE", UserSession.objects.all()),
    ],
)
def test_what_is_kept_of_people_is_deleted_in_batches(
    workspace: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    make: Any,
    clean: Any,
    verb: str,
    left: QuerySet[Any],
) -> None:
    monkeypatch.setattr(batches, "BATCH", 2)
    make(workspace)

    with killed_at(left.model._meta.db_table, 3, verb), pytest.raises(Killed):
        clean()
    assert left.all().count() == 1
    clean()
    assert not left.all().exists()
