"""From plan and overrides to one plain value that says what a workspace may do."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from entitlements import keys
from entitlements.keys import Value
from entitlements.models import EntitlementOverride, Plan, PlanEntitlement, Workspace
from foundation import cache
from foundation.cache import AwareDatetime

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a workspace may do, resolved. None means unlimited, or for the cache TTL "as the refresh TTL".

    `force_per_day_max` 0: no forced refresh in this plan. `force_per_hour_max` 0: no separate hour cap.
    """

    plan_key: str
    plan_name: str
    plan_rank: int
    profile_enabled: bool
    hashtag_enabled: bool
    oauth_enabled: bool
    refresh_ttl_minutes_min: int
    force_per_day_max: int | None
    force_per_hour_max: int | None
    cache_ttl_minutes_default: int | None


class Override(msgspec.Struct, frozen=True, array_like=True):
    """A workspace's own value for a key; `ends_at` None: without end."""

    key: str
    value: Value
    ends_at: AwareDatetime | None

    def __post_init__(self) -> None:
        """Refuse a cached copy that holds an unknown key or a value out of range."""
        keys.check_value(self.key, self.value)

    def counts_at(self, now: datetime) -> bool:
        return self.ends_at is None or now < self.ends_at


class Grants(msgspec.Struct, frozen=True, array_like=True):
    """All that limits are resolved from: a plan's values and the workspace's overrides, ended ones included."""

    plan_key: str
    plan_name: str
    plan_rank: int
    plan_values: Mapping[str, Value]
    overrides: tuple[Override, ...]

    def __post_init__(self) -> None:
        """Refuse a cached copy that holds an unknown key or a value out of range."""
        for name, value in self.plan_values.items():
            keys.check_value(name, value)


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """One key's value for a workspace, and where it comes from. `until`: when an override ends."""

    key: str
    meaning: str
    value: Value
    words: str
    source: str
    until: datetime | None


class WorkspaceNotFound(LookupError):
    """No such workspace."""


def limits_for(workspace_id: UUID, *, now: datetime) -> Limits:
    """The workspace's limits, remembered: no query on a warm read. Raises WorkspaceNotFound, StoreAway."""
    grants = cache.remember(cache_key(workspace_id), lambda: _load_grants(workspace_id), Grants)
    return resolve(grants, now)


def fresh_limits_for(workspace_id: UUID, *, now: datetime) -> Limits:
    """The workspace's limits from the database, for decisions that spend something. Raises WorkspaceNotFound."""
    return resolve(_load_grants(workspace_id), now)


def resolve(grants: Grants, now: datetime) -> Limits:
    """Overrides that have not ended stand before the plan's values, and these before what a missing value means."""
    values = dict(grants.plan_values) | {o.key: o.value for o in grants.overrides if o.counts_at(now)}
    fields: dict[str, Any] = {key.field: values.get(key.name, key.when_missing) for key in keys.KEYS}
    return Limits(plan_key=grants.plan_key, plan_name=grants.plan_name, plan_rank=grants.plan_rank, **fields)


def fresh_grants_for(workspace_id: UUID) -> Grants:
    """From the database: what the limits of this and of every later moment follow from. Raises WorkspaceNotFound."""
    return _load_grants(workspace_id)


def higher_grants_for(own: Grants) -> tuple[Grants, ...]:
    """What the workspace would have under each higher plan, lowest first, its overrides staying as they are."""
    plans = Plan.objects.filter(rank__gt=own.plan_rank).order_by("rank").prefetch_related("entitlements")
    return tuple(_grants(plan, own.overrides) for plan in plans)


def plan_that_allows(workspace_id: UUID, allows: Callable[[Limits], bool], *, now: datetime) -> str | None:
    """The name of the lowest higher plan under which `allows` holds, None where none does. Raises WorkspaceNotFound."""
    higher = higher_grants_for(_load_grants(workspace_id))
    return next((grants.plan_name for grants in higher if allows(resolve(grants, now))), None)


def effective_values(workspace_id: UUID, *, now: datetime) -> tuple[EffectiveValue, ...]:
    """Every key's value for the workspace with its origin, in the registry's order. Raises WorkspaceNotFound."""
    grants = _load_grants(workspace_id)
    overrides = {o.key: o for o in grants.overrides if o.counts_at(now)}
    return tuple(_effective(key, grants, overrides.get(key.name)) for key in keys.KEYS)


def cache_key(workspace_id: UUID) -> str:
    return f"entitlements:grants:v1:{workspace_id}"


def _effective(key: keys.Key, grants: Grants, override: Override | None) -> EffectiveValue:
    value = override.value if override else grants.plan_values.get(key.name, key.when_missing)
    return EffectiveValue(
        key=key.name,
        meaning=key.meaning,
        value=value,
        words=keys.words_for(key.name, value),
        source="override" if override else f"plan {grants.plan_name}",
        until=override.ends_at if override else None,
    )


def _load_grants(workspace_id: UUID) -> Grants:
    workspace = Workspace.objects.select_related("plan").filter(pk=workspace_id).first()
    if workspace is None:
        raise WorkspaceNotFound(str(workspace_id))
    rows = EntitlementOverride.objects.filter(workspace_id=workspace_id)
    overrides = (Override(row.key, row.value, row.ends_at) for row in rows if _is_usable(row))
    return _grants(workspace.plan, overrides)


def _grants(plan: Plan, overrides: Iterable[Override]) -> Grants:
    values = {row.key: row.value for row in plan.entitlements.all() if _is_usable(row)}
    return Grants(plan.key, plan.name, plan.rank, values, tuple(overrides))


def _is_usable(row: PlanEntitlement | EntitlementOverride) -> bool:
    """False for a key of another release and for a value written past the checks: it counts as not given."""
    try:
        keys.check_value(row.key, row.value)
    except ValueError:
        logger.error("stored entitlement ignored: %s %s of %s", type(row).__name__, row.pk, row.key)
        return False
    return True
