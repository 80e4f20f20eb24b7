"""Each change is validated, saved with its history in one transaction, announced, and removed from the cache."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from entitlements import changes
from entitlements.changes import Actor
from entitlements.keys import InvalidValue, UnknownKey
from entitlements.limits import fresh_limits_for, limits_for
from entitlements.models import (
    EntitlementChange,
    EntitlementOverride,
    Membership,
    Plan,
    PlanEntitlement,
    Workspace,
)
from entitlements.signals import limits_changed
from tests.entitlements.conftest import ACTOR, DAY, HASHTAG, NOW, TTL, plan

A_DAY = timedelta(days=1)
Commits = Any


@pytest.fixture
def announced() -> Iterator[list[set[Any]]]:
    """The workspaces of each announcement."""
    heard: list[set[Any]] = []

    def hear(sender: object, *, workspace_ids: Any, now: Any, **_: object) -> None:
        assert now.tzinfo is not None
        assert transaction.get_connection().in_atomic_block
        heard.append(set(workspace_ids))

    limits_changed.connect(hear)
    yield heard
    limits_changed.disconnect(hear)


def history() -> list[tuple[str, str, str, str, str]]:
    rows = EntitlementChange.objects.order_by("id")
    return [(row.actor, row.subject, row.key, row.old_value, row.new_value) for row in rows]


def test_a_new_workspace_starts_its_history(db: None) -> None:
    workspace = Workspace(name="Fresh", plan=plan("free"))
    changes.add_workspace(workspace, actor=ACTOR)

    assert Workspace.objects.get(pk=workspace.pk).plan.key == "free"
    assert history() == [("test", "Fresh", "plan", "none", "Free")]


def test_setting_a_plan(workspace: Workspace, announced: list[set[Any]]) -> None:
    changes.set_plan(workspace, plan("pro"), actor=ACTOR)

    assert Workspace.objects.get(pk=workspace.pk).plan.key == workspace.plan.key == "pro"
    assert history() == [("test", "Acme Bakery", "plan", "Starter", "Pro")]
    assert EntitlementChange.objects.get().workspace == workspace
    assert announced == [{workspace.pk}]


def test_setting_the_current_plan_changes_nothing(workspace: Workspace, announced: list[set[Any]]) -> None:
    changes.set_plan(workspace, plan("starter"), actor=ACTOR)

    assert (history(), announced) == ([], [])


def test_setting_a_cell_of_the_matrix(
    workspace: Workspace, neighbour: Workspace, announced: list[set[Any]]
) -> None:
    changes.set_plan(neighbour, plan("pro"), actor=ACTOR)
    announced.clear()

    changes.set_plan_value(plan("starter"), DAY, None, actor=ACTOR)

    assert fresh_limits_for(workspace.pk, now=NOW).force_per_day_max is None
    assert history()[-1] == ("test", "plan Starter", DAY, "6", "unlimited")
    assert announced == [{workspace.pk}]


def test_several_cells_are_announced_once(workspace: Workspace, announced: list[set[Any]]) -> None:
    different = changes.set_plan_values(plan("starter"), {DAY: 7, TTL: 5, HASHTAG: False}, actor=ACTOR)

    assert different == 2
    assert len(history()) == 2
    assert announced == [{workspace.pk}]


def test_one_invalid_cell_prevents_all_writes(workspace: Workspace, announced: list[set[Any]]) -> None:
    with pytest.raises(InvalidValue):
        changes.set_plan_values(plan("starter"), {DAY: 7, TTL: 0}, actor=ACTOR)

    assert fresh_limits_for(workspace.pk, now=NOW).force_per_day_max == 6
    assert (history(), announced) == ([], [])


@pytest.mark.parametrize(
    ("lost", "words"),
    [
        pytest.param(None, "not set", id="a lost row"),
        pytest.param("many", "unusable: 'many'", id="a value written past the checks"),
        pytest.param(True, "unusable: True", id="true is not 1"),
    ],
)
def test_a_broken_cell_can_be_repaired(workspace: Workspace, lost: object, words: str) -> None:
    rows = PlanEntitlement.objects.filter(plan=workspace.plan, key=DAY)
    if lost is None:
        rows.delete()
    else:
        rows.update(value=lost)

    changes.set_plan_value(workspace.plan, DAY, 1, actor=ACTOR)

    assert fresh_limits_for(workspace.pk, now=NOW).force_per_day_max == 1
    assert history() == [("test", "plan Starter", DAY, words, "1")]


def test_describing_a_plan(
    workspace: Workspace, announced: list[set[Any]], django_capture_on_commit_callbacks: Commits
) -> None:
    limits_for(workspace.pk, now=NOW)
    with django_capture_on_commit_callbacks(execute=True):
        changes.describe_plan(workspace.plan, name="Beginner", billing_code="b-1", actor=ACTOR)

    assert limits_for(workspace.pk, now=NOW).plan_name == "Beginner"
    assert history() == [
        ("test", "plan Starter", "name", "Starter", "Beginner"),
        ("test", "plan Starter", "billing code", "none", "b-1"),
    ]
    assert announced == []


def test_a_new_override_replaces_the_previous_one(workspace: Workspace, announced: list[set[Any]]) -> None:
    user = User.objects.create_user("anna")
    changes.set_override(workspace, DAY, 7, actor=ACTOR)
    changes.set_override(workspace, DAY, 8, actor=Actor("anna", user), ends_at=NOW + A_DAY, note="trial")

    override = EntitlementOverride.objects.get()
    assert (override.value, override.ends_at, override.note) == (8, NOW + A_DAY, "trial")
    assert override.created_by == user
    assert history() == [
        ("test", "Acme Bakery", DAY, "no override", "7"),
        ("anna", "Acme Bakery", DAY, "7", "8 until 2026-11-24 12:00:00 UTC"),
    ]
    assert EntitlementChange.objects.order_by("id").last().note == "trial"  # type: ignore[union-attr]
    assert announced == [{workspace.pk}, {workspace.pk}]


def test_the_same_override_again_changes_nothing(workspace: Workspace, announced: list[set[Any]]) -> None:
    for _ in range(2):
        changes.set_override(workspace, DAY, 7, actor=ACTOR, ends_at=NOW + A_DAY, note="trial")

    assert len(history()) == len(announced) == 1


def test_removing_an_override(workspace: Workspace, announced: list[set[Any]]) -> None:
    override = changes.set_override(workspace, HASHTAG, True, actor=ACTOR)
    changes.remove_override(override, actor=ACTOR)
    changes.remove_override(override, actor=ACTOR)

    assert not EntitlementOverride.objects.exists()
    assert history()[1:] == [("test", "Acme Bakery", HASHTAG, "yes", "no override")]
    assert len(announced) == 2


@pytest.mark.parametrize(
    ("key", "value", "error"),
    [
        pytest.param("instagram.other", True, UnknownKey, id="unknown key"),
        pytest.param(HASHTAG, 1, InvalidValue, id="a number for a switch"),
        pytest.param(TTL, None, InvalidValue, id="no TTL at all"),
        pytest.param(DAY, -1, InvalidValue, id="below the minimum"),
    ],
)
def test_invalid_overrides_write_nothing(
    workspace: Workspace, key: str, value: object, error: type[ValueError], announced: list[set[Any]]
) -> None:
    with pytest.raises(error):
        changes.set_override(workspace, key, value, actor=ACTOR)

    assert not EntitlementOverride.objects.exists()
    assert (history(), announced) == ([], [])


def test_a_receiver_that_fails_undoes_the_change(workspace: Workspace) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError

    limits_changed.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            changes.set_plan(workspace, plan("pro"), actor=ACTOR)
    finally:
        limits_changed.disconnect(fail)

    assert fresh_limits_for(workspace.pk, now=NOW).plan_key == "starter"
    assert history() == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: changes.set_plan(w, plan("pro"), actor=ACTOR), id="another plan"),
        pytest.param(lambda w: changes.set_plan_value(w.plan, TTL, 60, actor=ACTOR), id="a cell of its plan"),
        pytest.param(lambda w: changes.set_override(w, TTL, 60, actor=ACTOR), id="an override"),
    ],
)
def test_the_next_read_after_the_commit_sees_the_change(
    workspace: Workspace, change: Any, django_capture_on_commit_callbacks: Commits
) -> None:
    assert limits_for(workspace.pk, now=NOW).refresh_ttl_minutes_min == 360

    with django_capture_on_commit_callbacks(execute=True):
        change(workspace)
        before_the_commit = limits_for(workspace.pk, now=NOW)

    assert before_the_commit.refresh_ttl_minutes_min == 360
    assert limits_for(workspace.pk, now=NOW).refresh_ttl_minutes_min == 60


def test_a_change_of_a_plan_reaches_all_its_workspaces(
    db: None, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Commits
) -> None:
    monkeypatch.setattr(changes, "FORGET_BATCH", 2)
    starter = plan("starter")
    workspaces = [Workspace.objects.create(name=f"W{number}", plan=starter) for number in range(5)]
    for each in workspaces:
        limits_for(each.pk, now=NOW)

    with django_capture_on_commit_callbacks(execute=True):
        changes.set_plan_value(starter, DAY, 77, actor=ACTOR)

    assert {limits_for(each.pk, now=NOW).force_per_day_max for each in workspaces} == {77}


def test_history_outlives_workspace_and_user(workspace: Workspace) -> None:
    user = User.objects.create_user("anna")
    changes.set_override(workspace, DAY, 7, actor=Actor("anna", user))

    workspace.delete()
    user.delete()

    row = EntitlementChange.objects.get()
    assert (row.workspace, row.user, row.subject, row.actor) == (None, None, "Acme Bakery", "anna")


def test_a_plan_with_workspaces_cannot_be_deleted(workspace: Workspace) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.filter(pk=workspace.plan_id).delete()


def test_the_database_refuses_an_unknown_role(workspace: Workspace) -> None:
    user = User.objects.create_user("anna")

    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(workspace=workspace, user=user, role="admin")
