"""Which operations of migrations break the code of the previous release, which runs beside them in an upgrade."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations
from django.db.backends.postgresql.base import DatabaseWrapper
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED, Field, ForeignKey, ManyToManyField, UniqueConstraint

from foundation.migrating import AddIndexBesideWrites, AddTrigramIndex

HARMLESS = (
    migrations.CreateModel,  # its foreign keys are looked at
    migrations.AlterModelOptions,
    migrations.AlterModelManagers,
    migrations.AlterModelTableComment,
    migrations.RemoveIndex,
    migrations.RenameIndex,
    AddTrigramIndex,
)
BESIDE_WRITES = (AddIndexBesideWrites, AddIndexConcurrently)
GONE = (
    migrations.RemoveField,
    migrations.RenameField,
    migrations.RenameModel,
    migrations.DeleteModel,
    migrations.AlterModelTable,
    migrations.AlterOrderWithRespectTo,
)
# PostgreSQL's types, also in the SQLite leg. The wrapper never connects.
POSTGRESQL = DatabaseWrapper(
    {"ENGINE": "", "NAME": "x", "OPTIONS": {}, "TIME_ZONE": None, "CONN_HEALTH_CHECKS": False}
)


@dataclass(frozen=True)
class Problem:
    """`where`: the migration and what it changes. `why`: what goes wrong in the old code."""

    where: str
    why: str


def newer_than(recorded: dict[str, str], loader: MigrationLoader) -> set[tuple[str, str]]:
    """The migrations after these last ones of each app. Raises NodeNotFoundError for an unknown one."""
    graph: MigrationGraph = loader.graph
    old = {node for last in recorded.items() for node in graph.forwards_plan(last)}
    return set(graph.nodes) - old


def problems(loader: MigrationLoader, newer: Iterable[tuple[str, str]]) -> list[Problem]:
    """What the newer migrations break."""
    newer, state, made, found = set(newer), ProjectState(), set[tuple[str, str]](), []
    plan = dict.fromkeys(
        node for leaf in loader.graph.leaf_nodes() for node in loader.graph.forwards_plan(leaf)
    )
    for label, name in plan:
        migration = loader.get_migration(label, name)
        for operation in migration.operations:
            before = state.clone()
            operation.state_forwards(label, state)
            if (label, name) not in newer:
                continue
            for what, why in problems_of(operation, label, before, state, made, is_atomic=migration.atomic):
                found.append(Problem(f"{label}.{name}: {what}", why))
    return found


def problems_of(
    operation: Operation,
    label: str,
    before: ProjectState,
    after: ProjectState,
    made: set[tuple[str, str]],
    *,
    is_atomic: bool,
) -> Iterator[tuple[str, str]]:
    """`made`: the models that newer migrations created, of which the old code knows nothing. Is added to."""
    kind = type(operation).__name__
    if isinstance(operation, migrations.SeparateDatabaseAndState):
        for inner in operation.database_operations:
            yield from problems_of(inner, label, before, after, made, is_atomic=is_atomic)
        return
    model = getattr(operation, "model_name", None) or getattr(operation, "name", "")
    key = (label, str(model).lower())
    if isinstance(operation, migrations.CreateModel):
        made.add(key)
        for name, field in operation.fields:
            yield from _reference(f"{operation.name}.{name}", field, label, made)
        return
    if isinstance(operation, HARMLESS) or key in made:
        if isinstance(operation, migrations.AddField):
            yield from _reference(f"{model}.{operation.name}", operation.field, label, made)
        return
    what = f"{kind} {model}"
    if isinstance(operation, GONE):
        part = getattr(operation, "name", getattr(operation, "old_name", ""))
        yield f"{what}.{part}" if part != model else what, "the old code still uses it"
    elif isinstance(operation, migrations.AddField):
        yield from _added(f"{what}.{operation.name}", operation.field)
        yield from _reference(f"{model}.{operation.name}", operation.field, label, made)
    elif isinstance(operation, migrations.AlterField):
        old = before.models[key].fields[operation.name]
        yield from _altered(f"{what}.{operation.name}", operation.name, old, operation.field)
    elif isinstance(operation, BESIDE_WRITES):
        if is_atomic:
            yield f"{what}.{operation.index.name}", "needs `atomic = False` to leave the table writable"
    elif isinstance(operation, migrations.AddIndex):
        yield (
            f"{what}.{operation.index.name}",
            "the table can't be written meanwhile: use AddIndexBesideWrites",
        )
    elif isinstance(operation, migrations.AddConstraint):
        yield f"{what}.{operation.constraint.name}", "the old code may write rows that it refuses"
    elif isinstance(operation, migrations.RemoveConstraint):
        constraint = before.models[key].get_constraint_by_name(operation.name)
        if isinstance(constraint, UniqueConstraint):
            yield f"{what}.{operation.name}", "the old code may rely on it in ON CONFLICT"
    elif isinstance(operation, migrations.RunPython | migrations.RunSQL):
        yield _name_of(operation), "can't be judged by a test"
    else:
        yield what, "unknown to this test"


def _name_of(operation: Any) -> str:
    code = getattr(operation, "code", None)
    return f"{type(operation).__name__} {code.__name__}" if code else type(operation).__name__


def _added(what: str, field: Field[Any, Any]) -> Iterator[tuple[str, str]]:
    if isinstance(field, ManyToManyField):
        return
    if not field.null and field.db_default is NOT_PROVIDED:
        yield what, "the old code inserts rows without it: give it a `db_default`, or allow null"
    if field.unique and field.db_default is not NOT_PROVIDED:
        yield what, "the old code inserts the same value in every row"


def _altered(what: str, name: str, old: Field[Any, Any], new: Field[Any, Any]) -> Iterator[tuple[str, str]]:
    if old.null and not new.null:
        yield what, "the old code may write null"
    if new.unique and not old.unique:
        yield what, "the old code may write values twice"
    if new.db_index and not old.db_index and not new.unique:
        yield what, "the table can't be written meanwhile: use AddIndexBesideWrites"
    if old.db_default is not NOT_PROVIDED and new.db_default is NOT_PROVIDED and not new.null:
        yield what, "the old code may insert rows without it"
    if old.is_relation or new.is_relation:
        same = old.is_relation and new.is_relation and old.remote_field.model == new.remote_field.model
        if not same:
            yield what, "the old code reads and writes another type"
        return
    types = [_type_of(name, field) for field in (old, new)]
    if types[0] != types[1] and not _is_wider(*(str(kind) for kind, _ in types)):
        yield what, f"the type changes from {types[0][0]} to {types[1][0]}"
    elif types[1][1] and types[0][1] != types[1][1]:
        yield what, "the old code may write values that the new check refuses"


def _type_of(name: str, field: Field[Any, Any]) -> tuple[str | None, str | None]:
    bound = field.clone()
    bound.set_attributes_from_name(name)
    parameters = bound.db_parameters(POSTGRESQL)
    return parameters["type"], parameters["check"]


def _is_wider(old: str, new: str) -> bool:
    """Whether PostgreSQL changes the type without rewriting the table, and takes all that the old code writes."""
    sizes = [re.fullmatch(r"varchar\((\d+)\)", kind) for kind in (old, new)]
    if sizes[0] is None:
        return old == new
    return new in ("text", "varchar") or (sizes[1] is not None and int(sizes[1][1]) >= int(sizes[0][1]))


def _reference(
    what: str, field: Field[Any, Any], label: str, made: set[tuple[str, str]]
) -> Iterator[tuple[str, str]]:
    """A reference to a model that the old code knows: Django's own cascades don't know the referring table."""
    if not isinstance(field, ForeignKey) or not field.db_constraint:
        return
    target = field.remote_field.model
    named = target if isinstance(target, str) else target._meta.label
    key = tuple(named.lower().split(".")) if "." in named else (label, named.lower())
    if key not in made:
        yield (
            f"ForeignKey {what}",
            "the old code can't delete a row that it refers to: use `db_constraint=False`",
        )
