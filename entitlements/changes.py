"""All changes of plans, values and overrides. Each is validated, recorded in the history, and announced by a signal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from entitlements import keys
from entitlements.keys import Value
from entitlements.limits import cache_key
from entitlements.models import (
    EntitlementChange,
    EntitlementOverride,
    MatrixChange,
    Plan,
    PlanEntitlement,
    Workspace,
)
from entitlements.reviews import CellChange
from entitlements.signals import limits_changed
from foundation import cache

FORGET_BATCH = 500

# Plan key, key, old value, new value. Stored as a list.
Cell = tuple[str, str, Value, Value]


class CannotUndo(Exception):
    """The message says why, and names the cell."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes the change: a user, or a command by name."""

    name: str
    user: Any = None


@transaction.atomic
def add_workspace(workspace: Workspace, *, actor: Actor) -> None:
    """Save a new workspace, and record its first plan in the history."""
    workspace.save(force_insert=True)
    _note(actor, workspace.name, "plan", "none", workspace.plan.name, workspace=workspace)


@transaction.atomic
def set_plan(workspace: Workspace, plan: Plan, *, actor: Actor) -> None:
    """Change the workspace's plan. Does nothing if it already has this plan."""
    held = _lock_workspace(workspace.pk)
    workspace.plan = plan
    if held.plan_id == plan.pk:
        return
    _note(actor, held.name, "plan", held.plan.name, plan.name, workspace=held)
    Workspace.objects.filter(pk=held.pk).update(plan=plan)
    announce([held.pk])


def set_plan_value(plan: Plan, key: str, value: object, *, actor: Actor) -> None:
    """Set one cell of the matrix. Raises UnknownKey or InvalidValue."""
    set_plan_values(plan, {key: value}, actor=actor)


def set_plan_values(plan: Plan, values: Mapping[str, object], *, actor: Actor) -> int:
    """Set values of a plan. Returns how many changed. Raises UnknownKey or InvalidValue, and then changes none."""
    saved = save_matrix({plan: values}, actor=actor)
    return len(saved.cells) if saved else 0


@transaction.atomic
def save_matrix(
    columns: Mapping[Plan, Mapping[str, object]], *, actor: Actor, undoes: MatrixChange | None = None
) -> MatrixChange | None:
    """Set values of plans, recorded as one change of the matrix. Returns None if nothing changed.

    Raises UnknownKey or InvalidValue, and then changes nothing.
    """
    checked = {
        plan.pk: {key: keys.check_value(key, value) for key, value in values.items()}
        for plan, values in columns.items()
    }
    cells = [cell for plan in _lock_plans(checked) for cell in _set_column(plan, checked[plan.pk], actor)]
    if not cells:
        return None
    return MatrixChange.objects.create(user=actor.user, actor=actor.name, cells=cells, undoes=undoes)


def _set_column(plan: Plan, values: Mapping[str, Value], actor: Actor) -> list[Cell]:
    rows = {row.key: row for row in PlanEntitlement.objects.filter(plan=plan)}
    cells: list[Cell] = []
    for key, value in values.items():
        row = rows.get(key)
        if row is not None and _is_same(row.value, value):
            continue
        old = "not set" if row is None else _stored_words(key, row.value)
        PlanEntitlement.objects.update_or_create(plan=plan, key=key, defaults={"value": value})
        _note(actor, f"plan {plan.name}", key, old, keys.words_for(key, value))
        # A value that was missing or invalid counted as `when_missing`.
        counted = keys.key_named(key).when_missing if row is None else keys.usable_value(key, row.value)
        cells.append((plan.key, key, counted, value))
    if cells:
        announce(Workspace.objects.filter(plan=plan).values_list("pk", flat=True))
    return cells


def cells_to_undo(change_id: int) -> tuple[MatrixChange, list[CellChange]]:
    """The last change of the matrix, and what undoing it would change. Raises CannotUndo, naming the cell."""
    last = MatrixChange.objects.first()
    if last is None:
        raise CannotUndo("There is no change to undo.")
    plans = {plan.key: plan for plan in Plan.objects.prefetch_related("entitlements")}
    if last.pk != change_id:
        raise CannotUndo(
            f"Only the last change can be undone. {last.actor} has changed the matrix since: "
            f"{'; '.join(_cell_words(cell, plans) for cell in last.cells)}."
        )
    return last, [_reversed(cell, plans) for cell in last.cells]


@transaction.atomic
def undo_last_change(change_id: int, *, actor: Actor) -> MatrixChange:
    """Set the cells of the last change back to their old values, as a new change. Raises CannotUndo.

    `change_id`: the change that the person saw as the last. If another one came first, nothing is undone.
    """
    # All plans, in the order of `save_matrix`, so that no other change is saved meanwhile.
    plans = {plan.pk: plan for plan in _lock_plans(Plan.objects.values_list("pk", flat=True))}
    last, cells = cells_to_undo(change_id)
    columns: dict[Plan, dict[str, object]] = {}
    for cell in cells:
        columns.setdefault(plans[cell.plan_id], {})[cell.key] = cell.new
    saved = save_matrix(columns, actor=actor, undoes=last)
    if saved is None:
        raise CannotUndo("Undoing this change would change nothing.")
    return saved


def _reversed(cell: Cell, plans: Mapping[str, Plan]) -> CellChange:
    plan_key, key, old, new = cell
    words = _cell_words(cell, plans)
    plan = plans.get(plan_key)
    if plan is None:
        raise CannotUndo(f"{words}: this plan no longer exists.")
    try:
        keys.check_value(key, old)
    except ValueError:
        raise CannotUndo(f"{words}: the old value is no longer allowed.") from None
    stored = {row.key: row.value for row in plan.entitlements.all()}
    now_stored = keys.usable_value(key, stored.get(key, keys.key_named(key).when_missing))
    if not _is_same(now_stored, new):
        raise CannotUndo(f"{words}, but it has changed since, to {keys.words_for(key, now_stored)}.")
    return CellChange(plan.pk, plan.name, key, old=now_stored, new=old)


def _cell_words(cell: Cell, plans: Mapping[str, Plan]) -> str:
    plan_key, key, old, new = cell
    name = plans[plan_key].name if plan_key in plans else plan_key
    return f"{name}, {key}, from {_stored_words(key, old)} to {_stored_words(key, new)}"


@transaction.atomic
def describe_plan(plan: Plan, *, name: str, billing_code: str, actor: Actor) -> None:
    """Change the plan's display name and billing code. The limits stay."""
    held = _lock_plan(plan.pk)
    for field, old, new in (("name", held.name, name), ("billing code", held.billing_code, billing_code)):
        if old != new:
            _note(actor, f"plan {held.name}", field, old or "none", new or "none")
    Plan.objects.filter(pk=held.pk).update(name=name, billing_code=billing_code)
    if held.name != name:  # cached grants contain the name
        _forget_on_commit(Workspace.objects.filter(plan=plan).values_list("pk", flat=True))


@transaction.atomic
def set_override(
    workspace: Workspace,
    key: str,
    value: object,
    *,
    actor: Actor,
    ends_at: datetime | None = None,
    note: str = "",
) -> EntitlementOverride:
    """Set or replace the workspace's override for a key. Does nothing if it is the same.

    `ends_at`: aware; the override no longer counts at this time. Raises UnknownKey or InvalidValue.
    """
    checked = keys.check_value(key, value)
    _lock_workspace(workspace.pk)
    earlier = EntitlementOverride.objects.filter(workspace=workspace, key=key).first()
    if (
        earlier is not None
        and _is_same(earlier.value, checked)
        and (earlier.ends_at, earlier.note) == (ends_at, note)
    ):
        return earlier
    override, _ = EntitlementOverride.objects.update_or_create(
        workspace=workspace,
        key=key,
        defaults={"value": checked, "ends_at": ends_at, "note": note, "created_by": actor.user},
    )
    old = _override_words(key, earlier.value, earlier.ends_at) if earlier else "no override"
    new = _override_words(key, checked, ends_at)
    _note(actor, workspace.name, key, old, new, workspace=workspace, note=note)
    announce([workspace.pk])
    return override


@transaction.atomic
def remove_override(override: EntitlementOverride, *, actor: Actor) -> None:
    """Remove an override, so that the plan's value counts again. Does nothing if it was already removed."""
    workspace = _lock_workspace(override.workspace_id)
    held = EntitlementOverride.objects.filter(pk=override.pk).first()
    if held is None:
        return
    words = _override_words(held.key, held.value, held.ends_at)
    _note(actor, workspace.name, held.key, words, "no override", workspace=workspace)
    held.delete()
    announce([workspace.pk])


def announce(workspace_ids: Iterable[UUID]) -> None:
    """Send `limits_changed`, and clear the cached limits on commit."""
    limits_changed.send(sender=None, workspace_ids=workspace_ids, now=timezone.now())
    _forget_on_commit(workspace_ids)


# Accepted race: a reader that loads before the commit and caches after it puts the old limits back. They are reloaded
# within 30 seconds, like any cached copy.
def _forget_on_commit(workspace_ids: Iterable[UUID]) -> None:
    cache_keys = [cache_key(workspace_id) for workspace_id in workspace_ids]
    transaction.on_commit(lambda: _forget(cache_keys))


def _forget(cache_keys: list[str]) -> None:
    for start in range(0, len(cache_keys), FORGET_BATCH):
        cache.forget(*cache_keys[start : start + FORGET_BATCH])


def _lock_workspace(workspace_id: UUID) -> Workspace:
    """The workspace's current row, locked until commit."""
    # `no_key` still lets others insert rows with a foreign key to it.
    rows = Workspace.objects.select_for_update(of=("self",), no_key=True).select_related("plan")
    return rows.get(pk=workspace_id)


def _lock_plan(plan_id: int) -> Plan:
    return Plan.objects.select_for_update(no_key=True).get(pk=plan_id)


def _lock_plans(plan_ids: Iterable[int]) -> list[Plan]:
    """The plans' current rows by rank, the order in which all lock them, until commit."""
    rows = Plan.objects.select_for_update(no_key=True).filter(pk__in=list(plan_ids))
    return list(rows.order_by("rank"))


def _is_same(old: object, new: Value) -> bool:
    return type(old) is type(new) and old == new  # True == 1, and null is not 0


def _stored_words(key: str, value: object) -> str:
    """The stored value in words. Also works for an invalid value, so that it can be corrected."""
    try:
        return keys.words_for(key, keys.check_value(key, value))
    except ValueError:
        return f"unusable: {value!r}"[:100]


def _override_words(key: str, value: object, ends_at: datetime | None) -> str:
    words = _stored_words(key, value)
    return f"{words} until {ends_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if ends_at else words


def _note(
    actor: Actor,
    subject: str,
    key: str,
    old: str,
    new: str,
    *,
    workspace: Workspace | None = None,
    note: str = "",
) -> None:
    EntitlementChange.objects.create(
        user=actor.user,
        actor=actor.name,
        workspace=workspace,
        subject=subject,
        key=key,
        old_value=old,
        new_value=new,
        note=note,
    )
