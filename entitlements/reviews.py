"""What a change of the plan matrix would do: how many workspaces it touches, and what it would have done lately.

Other apps own the widgets, connections and refreshes that plans limit. They register how to count them and how to
simulate a change, as this app doesn't import them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q, QuerySet

from entitlements import keys
from entitlements.models import EntitlementOverride, Workspace

SIMULATED_DAYS = 30


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell of the matrix with its old and its new value."""

    plan_id: int
    plan_name: str
    key: str
    old: keys.Value
    new: keys.Value

    @property
    def old_words(self) -> str:
        return keys.words_for(self.key, self.old)

    @property
    def new_words(self) -> str:
        return keys.words_for(self.key, self.new)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What happened in the last SIMULATED_DAYS, and what would have happened with the new value.

    `basis`: in words, what was counted and what is assumed. `stale_hours`: summed over all feeds concerned.
    """

    refreshes_before: int
    refreshes_after: int
    refused_before: int
    refused_after: int
    stale_hours_before: int
    stale_hours_after: int
    basis: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What one changed cell does. `workspaces`: how many get the new value; `overridden`: how many keep their own.

    `over`: how many of `workspaces` use more than the new value allows; None if the key limits nothing countable, or
    the new value allows everything. `estimate`: None if nothing recorded tells.
    """

    change: CellChange
    workspaces: int
    overridden: int
    over: int | None
    estimate: Estimate | None

    @property
    def is_switch(self) -> bool:
        return keys.key_named(self.change.key).kind is keys.Kind.BOOL


# Both return the ids of workspaces, to be used inside a query; None: no workspace can be over this value.
OverLimit = Callable[[keys.Value, datetime], QuerySet[Any, Any] | None]
Simulation = Callable[[Sequence[CellChange], datetime], Mapping[CellChange, Estimate]]

_over_limit: dict[str, OverLimit] = {}
_simulations: dict[str, Simulation] = {}


def count_over_limit(key: str, function: OverLimit) -> None:
    """Register how to find the workspaces that use more than a value of this key allows."""
    _over_limit[keys.key_named(key).name] = function


def simulate_with(name: str, function: Simulation) -> None:
    """Register a simulation. `name`: of the app; a second function with the same name replaces the first."""
    _simulations[name] = function


def effects_of(changes: Sequence[CellChange], now: datetime) -> list[Effect]:
    """The effects of saving these changes. Makes one query for each key, and those of the simulations."""
    estimates: dict[CellChange, Estimate] = {}
    for simulate in _simulations.values():
        estimates |= simulate(changes, now)
    counts: dict[CellChange, dict[str, int | None]] = {}
    for key in dict.fromkeys(change.key for change in changes):
        counts |= _counts(key, [change for change in changes if change.key == key], now)
    return [Effect(change, **counts[change], estimate=estimates.get(change)) for change in changes]  # type: ignore[arg-type]


def overridden_ids(names: Iterable[str], now: datetime) -> QuerySet[Any, Any]:
    """The ids of workspaces with an override of one of these keys, to be used inside a query."""
    lasts = Q(ends_at__isnull=True) | Q(ends_at__gt=now)
    return EntitlementOverride.objects.filter(lasts, key__in=list(names)).order_by().values("workspace_id")


def _counts(
    key: str, changes: Sequence[CellChange], now: datetime
) -> dict[CellChange, dict[str, int | None]]:
    find_over = _over_limit.get(key, _nothing_to_count)
    keeps = Q(pk__in=overridden_ids([key], now))
    wanted: dict[str, Count] = {}
    for place, change in enumerate(changes):
        mine, over_ids = Q(plan_id=change.plan_id), find_over(change.new, now)
        wanted[f"workspaces_{place}"] = Count("pk", filter=mine & ~keeps)
        wanted[f"overridden_{place}"] = Count("pk", filter=mine & keeps)
        if over_ids is not None:
            wanted[f"over_{place}"] = Count("pk", filter=mine & ~keeps & Q(pk__in=over_ids))
    found = Workspace.objects.order_by().aggregate(**wanted)
    return {
        change: {name: found.get(f"{name}_{place}") for name in ("workspaces", "overridden", "over")}
        for place, change in enumerate(changes)
    }


def _nothing_to_count(value: keys.Value, now: datetime) -> None:
    return None
