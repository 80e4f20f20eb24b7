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
from entitlements.models import EntitlementChange, EntitlementOverride, Plan, PlanEntitlement, Workspace
from entitlements.signals import limits_changed
from foundation import cache

FORGET_BATCH = 500


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


@transaction.atomic
def set_plan_values(plan: Plan, values: Mapping[str, object], *, actor: Actor) -> int:
    """Set values of a plan. Returns how many changed. Raises UnknownKey or InvalidValue, and then changes none."""
    checked = {key: keys.check_value(key, value) for key, value in values.items()}
    _lock_plan(plan.pk)
    rows = {row.key: row for row in PlanEntitlement.objects.filter(plan=plan)}
    different = 0
    for key, value in checked.items():
        row = rows.get(key)
        if row is not None and _is_same(row.value, value):
            continue
        old = "not set" if row is None else _stored_words(key, row.value)
        PlanEntitlement.objects.update_or_create(plan=plan, key=key, defaults={"value": value})
        _note(actor, f"plan {plan.name}", key, old, keys.words_for(key, value))
        different += 1
    if different:
        announce(Workspace.objects.filter(plan=plan).values_list("pk", flat=True))
    return different


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
