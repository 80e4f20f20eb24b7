"""The code of the previous release works on a database that this one has migrated: docs/operations.md, "Upgrade"."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models
from django.db.migrations.exceptions import NodeNotFoundError
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ModelState, ProjectState

from foundation.migrating import AddIndexBesideWrites
from tests.architecture.upgrading import newer_than, problems, problems_of
from tests.rolling.previous import recorded

DELETED_LATER = "only staff delete people and workspaces, and can repeat it when the old release is gone"
GRANTS = "lets roles see tables that the old code doesn't know"
LOWER = "the old code uses addresses only to send mail"
# What breaks the old code, or can't be judged by the test, and why that is acceptable. Emptied when a new release is
# recorded.
ACCEPTED = {
    "account.0001_initial: ForeignKey EmailAddress.user": DELETED_LATER,
    "account.0006_emailaddress_lower: RunPython forwards": LOWER,
    "account.0008_emailaddress_unique_primary_email_fixup: RunPython forwards": "changes only a new table",
    "entitlements.0005_invitations: ForeignKey Invitation.workspace": DELETED_LATER,
    "entitlements.0006_lower_case_addresses: RunPython lower": LOWER,
    "entitlements.0007_matrix_history: ForeignKey MatrixChange.user": DELETED_LATER,
    "mfa.0001_initial: ForeignKey Authenticator.user": DELETED_LATER,
    "outbox.0002_staff_see_unsent_mail: RunPython grant": GRANTS,
    "paris_integration.0015_connect_links: ForeignKey ConnectLink.workspace": DELETED_LATER,
    "paris_integration.0018_charge_unit: RunPython create": "a function that the old code doesn't call",
    "usersessions.0001_initial: ForeignKey UserSession.user": DELETED_LATER,
    "venice_api.0007_staff_see_invitations: RunPython grant": GRANTS,
}


def test_newer_migrations_keep_the_previous_release_running() -> None:
    loader = MigrationLoader(None)
    newer = newer_than(recorded().migrations, loader)

    found = {problem.where: problem.why for problem in problems(loader, newer)}

    assert {where: why for where, why in found.items() if where not in ACCEPTED} == {}
    assert set(ACCEPTED) - set(found) == set(), "accepted, but not there any more"


# The rule itself, on a table of the old code.

TEXT = models.CharField(max_length=20)
FIELDS: dict[str, Any] = {
    "id": models.BigAutoField(primary_key=True),
    "name": TEXT,
    "note": models.CharField(max_length=20, null=True),
    "count": models.IntegerField(),
    "kind": models.CharField(max_length=20, db_default="x"),
}
INDEX = models.Index(fields=["name"], name="by_name")
ONCE = models.UniqueConstraint(fields=["name"], name="once")


def said(*operations: Any, is_atomic: bool = True) -> list[str]:
    state = ProjectState()
    for name in ("Thing", "Owner"):
        constraints = [models.UniqueConstraint(fields=["note"], name="note_once")] if name == "Thing" else []
        fields = [(column, field.clone()) for column, field in FIELDS.items()]
        state.add_model(ModelState("app", name, fields, {"constraints": constraints, "indexes": []}))
    made: set[tuple[str, str]] = set()
    found = []
    for operation in operations:
        before = state.clone()
        operation.state_forwards("app", state)
        found += [what for what, _ in problems_of(operation, "app", before, state, made, is_atomic=is_atomic)]
    return found


def add(field: Any, name: str = "new") -> migrations.AddField:
    return migrations.AddField("thing", name, field)


def alter(name: str, field: Any) -> migrations.AlterField:
    return migrations.AlterField("thing", name, field)


def refer(**options: Any) -> Any:
    return models.ForeignKey("app.owner", models.CASCADE, related_name="+", **options)


@pytest.mark.parametrize(
    "operation",
    [
        migrations.RemoveField("thing", "name"),
        migrations.RenameField("thing", "name", "title"),
        migrations.RenameModel("Thing", "Item"),
        migrations.DeleteModel("Thing"),
        migrations.AlterModelTable("Thing", "things"),
        add(models.IntegerField()),
        add(models.IntegerField(default=1)),  # Django drops this default when the column is there
        add(models.IntegerField(db_default=1, unique=True)),
        add(refer()),
        add(refer(null=True)),
        alter("note", TEXT),
        alter("name", models.CharField(max_length=19)),
        alter("name", models.CharField(max_length=20, unique=True)),
        alter("name", models.CharField(max_length=20, db_index=True)),
        alter("name", models.IntegerField()),
        alter("kind", models.CharField(max_length=20)),
        alter("count", models.BigIntegerField()),
        alter("count", models.PositiveIntegerField()),
        alter("count", refer(null=True)),
        migrations.AddIndex("thing", INDEX),
        migrations.AddConstraint("thing", ONCE),
        migrations.RemoveConstraint("thing", "note_once"),
        migrations.AlterUniqueTogether("thing", {("name", "count")}),
        migrations.RunPython(migrations.RunPython.noop),
        migrations.RunSQL("SELECT 1"),
        AddIndexBesideWrites("thing", INDEX),
        migrations.SeparateDatabaseAndState([migrations.RemoveField("thing", "name")], []),
    ],
    ids=lambda operation: f"{type(operation).__name__} {operation.describe()}",
)
def test_what_breaks_the_old_code(operation: Any) -> None:
    assert said(operation) != []


@pytest.mark.parametrize(
    "operation",
    [
        add(models.IntegerField(null=True)),
        add(models.IntegerField(db_default=1)),
        add(refer(null=True, db_constraint=False)),
        alter("name", models.CharField(max_length=21)),
        alter("name", models.TextField()),
        alter("name", models.CharField(max_length=20, null=True)),
        alter("name", models.CharField(max_length=20, choices=[("a", "A")])),
        migrations.AlterModelOptions("Thing", {"verbose_name": "item"}),
        migrations.RemoveIndex("thing", "gone"),
    ],
    ids=lambda operation: f"{type(operation).__name__} {operation.describe()}",
)
def test_what_the_old_code_can_live_with(operation: Any) -> None:
    if isinstance(operation, migrations.RemoveIndex):
        operation.state_forwards = lambda *_: None  # type: ignore[method-assign]
    assert said(operation) == []


@pytest.mark.parametrize("kind", [AddIndexBesideWrites, AddIndexConcurrently])
def test_indexes_that_leave_the_table_writable(kind: Any) -> None:
    assert said(kind("thing", INDEX), is_atomic=False) == []


def test_a_new_table_may_have_what_it_wants_but_no_constraint_on_old_ones() -> None:
    table = migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True)), ("owner", refer())])
    inside = migrations.CreateModel(
        "Part",
        [
            ("id", models.BigAutoField(primary_key=True)),
            ("new", models.ForeignKey("app.new", models.CASCADE)),
        ],
    )

    found = said(
        table,
        inside,
        migrations.AddField("new", "name", models.CharField(max_length=5)),
        migrations.AddIndex("new", INDEX),
        migrations.AddConstraint("new", ONCE),
        migrations.RemoveField("new", "name"),
        migrations.AddField("part", "owner", refer()),
    )

    assert found == ["ForeignKey New.owner", "ForeignKey part.owner"]


def test_newer_migrations_are_found_also_of_new_apps() -> None:
    loader = MigrationLoader(None)
    everything = dict(loader.graph.leaf_nodes())

    assert newer_than(everything, loader) == set()
    without = {label: name for label, name in everything.items() if label != "outbox"}
    assert {label for label, _ in newer_than(without, loader)} == {"outbox"}
    with pytest.raises(NodeNotFoundError):
        newer_than({**everything, "outbox": "0099_unknown"}, loader)
