"""Resolves a workspace's plan and overrides to its limits."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import DateTimeField, Max, Q, QuerySet, Subquery
from django.db.models import Value as SqlValue

from entitlements import keys
from entitlements.keys import Value
from entitlements.models import EntitlementChange, EntitlementOverride, Plan, PlanEntitlement, Workspace
from foundation import cache
from foundation.cache import AwareDatetime
from foundation.prepared import Prepared

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of a workspace. None: unlimited; for `cache_ttl_minutes_default`: the same as the refresh TTL.

    `force_per_day_max` 0: no forced refreshes in this plan. `force_per_hour_max` 0: no separate hour cap.
    `change_at`: when the first override ends; None: they stay until somebody changes them.
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
    copies_enabled: bool = False
    change_at: datetime | None = field(default=None, compare=False)


class Override(msgspec.Struct, frozen=True, array_like=True):
    """A workspace's own value for a key. `ends_at` None: no end."""

    key: str
    value: Value
    ends_at: AwareDatetime | None

    def __post_init__(self) -> None:
        """Refuse a cached copy that holds an unknown key or a value out of range."""
        keys.check_value(self.key, self.value)

    def counts_at(self, now: datetime) -> bool:
        return self.ends_at is None or now < self.ends_at


class Grants(msgspec.Struct, frozen=True, array_like=True):
    """The input for limits: a plan's values and the workspace's overrides, including ended ones."""

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
class Ladder:
    """A workspace's grants, and what it would have under each higher plan, lowest first, its overrides unchanged."""

    own: Grants
    higher: tuple[Grants, ...]


@dataclass(frozen=True, slots=True)
class EffectiveValue:
    """A key's value for a workspace, and its source. `until`: when an override ends."""

    key: str
    meaning: str
    value: Value
    words: str
    source: str
    until: datetime | None


class WorkspaceNotFound(LookupError):
    """No such workspace."""


def limits_for(workspace_id: UUID, *, now: datetime) -> Limits:
    """The workspace's limits from the cache, without a query if it is warm. Raises WorkspaceNotFound, StoreAway."""
    grants = cache.remember(cache_key(workspace_id), lambda: fresh_grants_for(workspace_id), Grants)
    return resolve(grants, now)


def fresh_limits_for(workspace_id: UUID, *, now: datetime) -> Limits:
    """The workspace's limits from the database, for decisions that cost something. Raises WorkspaceNotFound."""
    return resolve(fresh_grants_for(workspace_id), now)


def fresh_limits_of(workspace_ids: Collection[UUID], *, now: datetime) -> dict[UUID, Limits]:
    """The limits of each workspace from the database, in one query. Raises WorkspaceNotFound."""
    rows: dict[UUID, list[tuple[Any, ...]]] = {workspace_id: [] for workspace_id in workspace_ids}
    for workspace_id, *row in _grant_rows(workspace_ids):
        rows[workspace_id].append(tuple(row))
    return {
        workspace_id: resolve(_ladder_of(workspace_id, of_one).own, now)
        for workspace_id, of_one in rows.items()
    }


def resolve(grants: Grants, now: datetime) -> Limits:
    """The limits at `now`: overrides that haven't ended, then the plan's values, then the keys' `when_missing`."""
    counting = [o for o in grants.overrides if o.counts_at(now)]
    values = dict(grants.plan_values) | {o.key: o.value for o in counting}
    fields: dict[str, Any] = {key.field: values.get(key.name, key.when_missing) for key in keys.KEYS}
    return Limits(
        plan_key=grants.plan_key,
        plan_name=grants.plan_name,
        plan_rank=grants.plan_rank,
        change_at=min((o.ends_at for o in counting if o.ends_at is not None), default=None),
        **fields,
    )


def fresh_grants_for(workspace_id: UUID) -> Grants:
    """The workspace's grants from the database. Raises WorkspaceNotFound."""
    return load_ladder(workspace_id).own


def load_ladder(workspace_id: UUID) -> Ladder:
    """The workspace's grants with those of the higher plans, in one query. Raises WorkspaceNotFound."""
    return _ladder_of(workspace_id, _ladders.rows(workspace_id=workspace_id))


def _ladder_of(workspace_id: UUID, rows: Iterable[tuple[Any, ...]]) -> Ladder:
    """The ladder in rows of `_ladder_rows`."""
    overrides: list[Override] = []
    plans: dict[int, tuple[str, str, dict[str, Value]]] = {}
    for rank, plan_key, plan_name, row_id, key, value, ends_at, is_override in rows:
        _, _, values = plans.setdefault(rank, (plan_key, plan_name, {}))
        # A plan without values has one row without a key.
        if key is None or not _is_usable(key, value, row_id, "override" if is_override else "plan"):
            continue
        if is_override:
            overrides.append(Override(key, value, ends_at))
        else:
            values[key] = value
    if not plans:
        raise WorkspaceNotFound(str(workspace_id))
    own, *higher = (
        Grants(plan_key, plan_name, rank, values, tuple(overrides))
        for rank, (plan_key, plan_name, values) in sorted(plans.items())
    )
    return Ladder(own, tuple(higher))


def keep(workspace_id: UUID, grants: Grants) -> None:
    """Cache grants that have just been read from the database, for `limits_for`."""
    cache.store(cache_key(workspace_id), grants)


def plan_that_allows(workspace_id: UUID, allows: Callable[[Limits], bool], *, now: datetime) -> str | None:
    """The name of the lowest higher plan for which `allows` is true, or None. Raises WorkspaceNotFound."""
    higher = load_ladder(workspace_id).higher
    return next((grants.plan_name for grants in higher if allows(resolve(grants, now))), None)


def plan_grants(plan_ids: Iterable[int]) -> dict[int, Grants]:
    """The grants of workspaces without overrides, by plan."""
    rows = Plan.objects.filter(pk__in=list(plan_ids)).prefetch_related("entitlements")
    return {
        plan.pk: Grants(plan.key, plan.name, plan.rank, _plan_values(plan.entitlements.all()), ())
        for plan in rows
    }


def _plan_values(rows: Iterable[PlanEntitlement]) -> dict[str, Value]:
    return {row.key: row.value for row in rows if _is_usable(row.key, row.value, row.pk, "plan")}


def live_overrides(
    plan_ids: Iterable[int], names: Iterable[str], *, now: datetime
) -> dict[UUID, tuple[Override, ...]]:
    """The overrides of these keys that count now, of the plans' workspaces that have some, in the order of keys."""
    rows = EntitlementOverride.objects.filter(
        Q(ends_at__isnull=True) | Q(ends_at__gt=now),
        workspace__plan_id__in=list(plan_ids),
        key__in=list(names),
    ).order_by("key")
    found: dict[UUID, tuple[Override, ...]] = {}
    for pk, workspace_id, key, value in rows.values_list("pk", "workspace_id", "key", "value"):
        if _is_usable(key, value, pk, "override"):
            # Without their ends, so that equal ones are equal.
            found[workspace_id] = (*found.get(workspace_id, ()), Override(key, value, None))
    return found


def changed_at(workspace_id: UUID, grants: Grants, fields: Collection[str]) -> datetime | None:
    """When these limits of the workspace were last changed: by its plan, a value of the plan, or an override."""
    names = [key.name for key in keys.KEYS if key.field in fields]
    of_workspace = Q(workspace_id=workspace_id, key__in=["plan", *names])
    of_plan = Q(workspace__isnull=True, subject=f"plan {grants.plan_name}", key__in=names)
    found: datetime | None = EntitlementChange.objects.filter(of_workspace | of_plan).aggregate(at=Max("at"))[
        "at"
    ]
    return found


def effective_values(workspace_id: UUID, *, now: datetime) -> tuple[EffectiveValue, ...]:
    """Every key's value with its source, in the registry's order. Raises WorkspaceNotFound."""
    grants = fresh_grants_for(workspace_id)
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


_NO_END = SqlValue(None, output_field=DateTimeField())
_OF_OVERRIDE = (
    "workspace__plan__rank", "workspace__plan__key", "workspace__plan__name", "pk", "key", "value", "ends_at",
    SqlValue(True),
)  # fmt: skip


def _ladder_rows(workspace_id: UUID) -> QuerySet[Any, tuple[Any, ...]]:
    """The values of the workspace's plan and of the plans above it, and its overrides, one row each."""
    own_rank = Workspace.objects.filter(pk=workspace_id).values("plan__rank")
    plans = Plan.objects.filter(rank__gte=Subquery(own_rank)).order_by()
    plan_values = plans.values_list(
        "rank",
        "key",
        "name",
        "entitlements__pk",
        "entitlements__key",
        "entitlements__value",
        _NO_END,
        SqlValue(False),
    )
    overrides = EntitlementOverride.objects.filter(workspace_id=workspace_id).order_by()
    return plan_values.union(overrides.values_list(*_OF_OVERRIDE), all=True)


def _grant_rows(workspace_ids: Collection[UUID]) -> QuerySet[Any, tuple[Any, ...]]:
    """The values of each workspace's plan, and its overrides, one row each: the workspace's id, then a ladder's row."""
    workspaces = Workspace.objects.filter(pk__in=workspace_ids).order_by()
    plan_values = workspaces.values_list(
        "pk",
        "plan__rank",
        "plan__key",
        "plan__name",
        "plan__entitlements__pk",
        "plan__entitlements__key",
        "plan__entitlements__value",
        _NO_END,
        SqlValue(False),
    )
    overrides = EntitlementOverride.objects.filter(workspace_id__in=workspace_ids).order_by()
    return plan_values.union(overrides.values_list("workspace_id", *_OF_OVERRIDE), all=True)


_ladders: Prepared[tuple[Any, ...]] = Prepared(_ladder_rows, workspace_id=UUID)


def _is_usable(key: str, value: Any, row_id: int, kind: str) -> bool:
    """Whether key and value are valid. Keys of another release, and invalid values, are ignored with an error log."""
    try:
        keys.check_value(key, value)
    except ValueError:
        logger.error("stored entitlement ignored: %s %s of %s", kind, row_id, key)
        return False
    return True
