"""Every change of plans, values and overrides, whoever makes it: checked, written with its history, and told above."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
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
    """Who makes the change: a user, or a command by its name."""

    name: str
    user: Any = None


@transaction.atomic
def set_plan(workspace: Workspace, plan: Plan, *, actor: Actor) -> None:
    """Put the workspace on another plan; nothing happens when it is on it already."""
    held = Workspace.objects.select_for_update().select_related("plan").get(pk=workspace.pk)
    if held.plan_id == plan.pk:
        return
    _note(actor, held.name, "plan", held.plan.name, plan.name, workspace=held)
    Workspace.objects.filter(pk=held.pk).update(plan=plan)
    workspace.plan = plan
    announce([held.pk])


@transaction.atomic
def set_plan_value(plan: Plan, key: str, value: object, *, actor: Actor) -> None:
    """Set one cell of the matrix. Raises UnknownKey or InvalidValue."""
    checked = keys.check_value(key, value)
    row, created = PlanEntitlement.objects.select_for_update().get_or_create(
        plan=plan, key=key, defaults={"value": checked}
    )
    if not created and row.value == checked and type(row.value) is type(checked):
        return
    old = "not set" if created else keys.words_for(key, row.value)
    PlanEntitlement.objects.filter(pk=row.pk).update(value=checked)
    _note(actor, f"plan {plan.name}", key, old, keys.words_for(key, checked))
    announce(Workspace.objects.filter(plan=plan).values_list("pk", flat=True))


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
    """Set the workspace's own value for a key, in place of an earlier one. Raises UnknownKey or InvalidValue."""
    checked = keys.check_value(key, value)
    earlier = EntitlementOverride.objects.select_for_update().filter(workspace=workspace, key=key).first()
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
    """The plan's value counts again."""
    words = _override_words(override.key, override.value, override.ends_at)
    _note(actor, override.workspace.name, override.key, words, "no override", workspace=override.workspace)
    EntitlementOverride.objects.filter(pk=override.pk).delete()
    announce([override.workspace_id])


def announce(workspace_ids: Iterable[UUID]) -> None:
    """Tell the rooms above, and let nobody remember the old limits once this commits."""
    limits_changed.send(sender=None, workspace_ids=workspace_ids, now=timezone.now())
    cache_keys = [cache_key(workspace_id) for workspace_id in workspace_ids]
    transaction.on_commit(lambda: _forget(cache_keys))


def _forget(cache_keys: list[str]) -> None:
    for start in range(0, len(cache_keys), FORGET_BATCH):
        cache.forget(*cache_keys[start : start + FORGET_BATCH])


def _override_words(key: str, value: Value, ends_at: datetime | None) -> str:
    words = keys.words_for(key, value)
    return f"{words} until {ends_at:%Y-%m-%d %H:%M} UTC" if ends_at else words


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
