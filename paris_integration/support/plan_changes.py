"""Changes of plans before they are saved: who is over a new limit, and what it would have done to recorded refreshes.

`entitlements.reviews` calls the functions registered here. Everything is summed in the database, with a fixed number of
queries for any number of changed cells.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Case, Count, F, IntegerField, QuerySet, Sum, When
from django.db.models.functions import TruncDay, TruncHour

from entitlements import keys, reviews
from entitlements.limits import Grants, Override, live_overrides, plan_grants, resolve
from entitlements.matrix_history import PastValues
from entitlements.reviews import SIMULATED_DAYS, CellChange, Estimate
from paris_integration.feeds import schedule
from paris_integration.models import AuditEvent, Connection, DailyUsage, Feed, QuotaWindow
from paris_integration.quota.allowance import WindowKind
from paris_integration.support import simulating
from paris_integration.support.simulating import Automatic, Comparison, Windows
from paris_integration.types import BlockReason, ConnectionState, SourceType

TTL, STALE_AFTER = "instagram.refresh.ttlMinutes.min", "instagram.cache.ttlMinutes.default"
DAY, HOUR = "instagram.refresh.forcePerDay.max", "instagram.refresh.forcePerHour.max"
SOURCES = {
    "instagram.profile.enabled": SourceType.PROFILE,
    "instagram.hashtag.enabled": SourceType.HASHTAG,
}
OAUTH, COPIES = "instagram.oauth.enabled", "instagram.media.copies.enabled"
INTERVALS = (TTL, STALE_AFTER)
CAPS = {DAY: WindowKind.DAY, HOUR: WindowKind.HOUR}
_TRUNCATED = {WindowKind.DAY: TruncDay, WindowKind.HOUR: TruncHour}

BASIS_OF_INTERVAL = (
    "Automatic refreshes are recorded per day. Estimated: with another interval there would have been more or fewer "
    "of them in proportion. A feed counts as stale while its posts are older than {minutes} minutes, the shorter of "
    "the two limits."
)
BASIS_OF_CAP = (
    "Used units and refused requests are recorded per {window} and widget. Estimated: people would have requested "
    "the same refreshes. A refused request counts as {minutes} minutes of staleness, half a refresh interval."
)
BASIS_OF_SOURCE = (
    "Automatic refreshes are recorded per day and workspace. Estimated: {source} feeds made their share of them, "
    "which is taken from the workspace's feeds of today, and would have been stale instead."
)


def register() -> None:
    for key, kind in CAPS.items():
        reviews.count_over_limit(key, partial(_over_units, kind))
    reviews.count_over_limit(OAUTH, _connected)
    reviews.count_over_limit(COPIES, _with_copies)
    reviews.simulate_with("paris", simulate)


def _over_units(kind: WindowKind, cap: keys.Value, now: datetime) -> QuerySet[Any, Any] | None:
    """Workspaces that have used more units today, or in one hour of today, for one of their widgets."""
    limit = _cap(kind, cap)
    if limit is None:
        return None
    today = QuotaWindow.objects.filter(kind=kind.value, starts_at__gte=WindowKind.DAY.start_of(now))
    return today.filter(used__gt=F("granted") + limit).order_by().values("workspace_id")


def _connected(is_allowed: keys.Value, now: datetime) -> QuerySet[Any, Any] | None:
    usable = (ConnectionState.ACTIVE.value, ConnectionState.EXPIRING.value)
    return None if is_allowed else Connection.objects.filter(state__in=usable).values("workspace_id")


def _with_copies(is_allowed: keys.Value, now: datetime) -> QuerySet[Any, Any] | None:
    return None if is_allowed else Feed.objects.exclude(copies="{}").values("workspace_id")


def simulate(changes: Sequence[CellChange], now: datetime) -> dict[CellChange, Estimate]:
    """The estimates of the changes that recorded refreshes tell something about."""
    grants = plan_grants({change.plan_id for change in changes})
    past = PastValues.since(_since(now), now=now)
    found = _simulate_refreshes([c for c in changes if _is_about_refreshes(c)], grants, past, now)
    for key, kind in CAPS.items():
        found |= _simulate_units(kind, [c for c in changes if c.key == key], grants, past, now)
    return found


def _is_about_refreshes(change: CellChange) -> bool:
    # Feeds of a kind that the plan doesn't include yet have recorded nothing.
    return change.key in INTERVALS or (change.key in SOURCES and change.new is False)


def _simulate_refreshes(
    changes: Sequence[CellChange], grants: Mapping[int, Grants], past: PastValues, now: datetime
) -> dict[CellChange, Estimate]:
    if not changes:
        return {}
    plans = {change.plan_id: grants[change.plan_id] for change in changes}
    usage = _Usage.read(plans, past, now, with_feeds=any(change.key in SOURCES for change in changes))
    return {change: _of_refreshes(change, grants[change.plan_id], usage, now) for change in changes}


def _of_refreshes(change: CellChange, grants: Grants, usage: _Usage, now: datetime) -> Estimate:
    source = SOURCES.get(change.key)
    groups = usage.groups(change, grants, source, now)
    if source is not None:
        return _estimate(simulating.without_source(groups), BASIS_OF_SOURCE.format(source=source.value))
    fresh_for = min(schedule.stale_after(resolve(each, now)) for each in (grants, _with(change, grants)))
    basis = BASIS_OF_INTERVAL.format(minutes=_minutes(fresh_for))
    return _estimate(simulating.with_other_interval(groups, fresh_for), basis)


@dataclass(frozen=True, slots=True)
class _Period:
    """Days in a row on which the plans had the same values. `values`: by plan."""

    first: date
    values: Mapping[int, Mapping[str, keys.Value]]


@dataclass(frozen=True, slots=True)
class _Usage:
    """Automatic refreshes by plan, period and workspace, with the overrides that decide and the feeds by kind."""

    periods: Sequence[_Period]
    refreshes: Mapping[int, Sequence[tuple[int, UUID, int]]]
    overrides: Mapping[UUID, tuple[Override, ...]]
    feeds: Mapping[UUID, Mapping[str, int]]

    @classmethod
    def read(
        cls, grants: Mapping[int, Grants], past: PastValues, now: datetime, *, with_feeds: bool
    ) -> _Usage:
        periods = _periods(grants, past, now)
        starts = [When(day__gte=period.first, then=place) for place, period in enumerate(periods)]
        days = DailyUsage.objects.filter(
            day__gte=_since(now).date(), day__lte=now.date(), workspace__plan_id__in=list(grants)
        ).annotate(period=Case(*reversed(starts), default=0, output_field=IntegerField()))
        summed = days.order_by().values_list("workspace__plan_id", "period", "workspace_id")
        refreshes: dict[int, list[tuple[int, UUID, int]]] = defaultdict(list)
        for plan_id, place, workspace_id, number in summed.annotate(Sum("automatic_refreshes")).iterator():
            refreshes[plan_id].append((place, workspace_id, number))
        overrides = live_overrides(grants, [*INTERVALS, *SOURCES], now=now)
        return cls(periods, refreshes, overrides, _feeds_by_kind(grants) if with_feeds else {})

    def groups(
        self, change: CellChange, grants: Grants, source: SourceType | None, now: datetime
    ) -> list[Automatic]:
        """The refreshes of workspaces that get the new value, summed over those with equal limits."""
        summed: dict[tuple[int, tuple[Override, ...]], float] = defaultdict(float)
        for place, workspace_id, number in self.refreshes.get(change.plan_id, ()):
            overrides = self.overrides.get(workspace_id, ())
            if all(override.key != change.key for override in overrides):
                share = 1.0 if source is None else self._share(workspace_id, source)
                summed[place, overrides] += number * share
        return [
            Automatic(
                number,
                then=resolve(_granting(grants, self.periods[place].values[change.plan_id], overrides), now),
                new=resolve(_granting(_with(change, grants), {}, overrides), now),
            )
            for (place, overrides), number in summed.items()
        ]

    def _share(self, workspace_id: UUID, source: SourceType) -> float:
        feeds = self.feeds.get(workspace_id, {})
        return feeds.get(source.value, 0) / sum(feeds.values()) if feeds else 0.0


def _feeds_by_kind(plan_ids: Iterable[int]) -> dict[UUID, dict[str, int]]:
    feeds = Feed.objects.filter(workspace__plan_id__in=list(plan_ids)).order_by()
    found: dict[UUID, dict[str, int]] = defaultdict(dict)
    for workspace_id, kind, number in feeds.values_list("workspace_id", "source_type").annotate(Count("pk")):
        found[workspace_id][kind] = number
    return found


def _periods(grants: Mapping[int, Grants], past: PastValues, now: datetime) -> list[_Period]:
    periods: list[_Period] = []
    for ago in range(SIMULATED_DAYS):
        day = _since(now) + timedelta(days=ago)
        values = {
            plan_id: {key: past.on(plan.plan_key, key, day, _of(plan, key)) for key in INTERVALS}
            for plan_id, plan in grants.items()
        }
        if not periods or periods[-1].values != values:
            periods.append(_Period(day.date(), values))
    return periods


def _of(plan: Grants, key: str) -> keys.Value:
    return plan.plan_values.get(key, keys.key_named(key).when_missing)


def _with(change: CellChange, grants: Grants) -> Grants:
    return _granting(grants, {change.key: change.new}, ())


def _granting(grants: Grants, values: Mapping[str, keys.Value], overrides: tuple[Override, ...]) -> Grants:
    """The plan with some other values, for a workspace with these overrides."""
    all_values = {**grants.plan_values, **values}
    return Grants(grants.plan_key, grants.plan_name, grants.plan_rank, all_values, overrides)


class _Alike(NamedTuple):
    """Days or hours of widgets with the same numbers. `day`: on which they began."""

    day: datetime
    used: int
    granted: int
    refused: int


def _simulate_units(
    kind: WindowKind,
    changes: Sequence[CellChange],
    grants: Mapping[int, Grants],
    past: PastValues,
    now: datetime,
) -> dict[CellChange, Estimate]:
    if not changes:
        return {}
    rows = _read_windows(kind, changes, now)
    found = {}
    for change in changes:
        plan = grants[change.plan_id]
        interval = schedule.refresh_ttl(resolve(plan, now))
        recorded = [
            Windows(number, _cap(kind, past.on(plan.plan_key, change.key, day, change.old)), *counts)
            for (day, *counts), number in rows[change.plan_id].items()
        ]
        basis = BASIS_OF_CAP.format(window=kind.value, minutes=_minutes(interval / 2))
        found[change] = _estimate(
            simulating.with_other_cap(recorded, _cap(kind, change.new), interval), basis
        )
    return found


def _cap(kind: WindowKind, value: keys.Value) -> int | None:
    """The value as a number of units. An hourly 0 means no hourly limit."""
    return None if value is None or (kind is WindowKind.HOUR and not value) else int(value)


def _read_windows(
    kind: WindowKind, changes: Sequence[CellChange], now: datetime
) -> dict[int, Counter[_Alike]]:
    """By plan: how many windows were alike."""
    plans, kept = {change.plan_id for change in changes}, reviews.overridden_ids([changes[0].key], now)
    found: dict[int, Counter[_Alike]] = {plan_id: Counter() for plan_id in plans}
    charged = QuotaWindow.objects.filter(
        kind=kind.value, starts_at__gte=_since(now), used__gt=0, workspace__plan_id__in=plans
    ).exclude(workspace_id__in=kept)
    columns = charged.order_by().values_list("workspace__plan_id", "starts_at", "used", "granted")
    for plan_id, starts_at, used, granted, number in columns.annotate(Count("pk")):
        found[plan_id][_Alike(WindowKind.DAY.start_of(starts_at), used, granted, 0)] += number
    for plan_id, starts_at, used, granted, refused, number in _read_refusals(kind, plans, kept, now):
        window = _Alike(WindowKind.DAY.start_of(starts_at), used, granted, 0)
        found[plan_id][window] -= number if used else 0
        found[plan_id][window._replace(refused=refused)] += number
    return found


def _read_refusals(
    kind: WindowKind, plans: Iterable[int], kept: QuerySet[Any, Any], now: datetime
) -> Iterator[tuple[int, datetime, int, int, int, int]]:
    """Plan, start, used, granted, refused, and how many windows were alike, of windows with refused requests.

    The trail names the widget, not its source: if it had several, the one with the most units counts.
    """
    truncated = _TRUNCATED[kind]("at", tzinfo=UTC)
    refused = AuditEvent.objects.filter(
        at__gte=_since(now),
        action=AuditEvent.Action.FORCED_REFRESH,
        outcome=AuditEvent.Outcome.REFUSED,
        # A plan without units refuses by the TTL.
        reason__in=[BlockReason.QUOTA_EXCEEDED.value, BlockReason.TTL_NOT_ELAPSED.value],
        workspace__plan_id__in=plans,
    ).exclude(workspace_id__in=kept)
    lines = refused.order_by().values_list("workspace__plan_id", "workspace_id", "instance_id", truncated)
    sql, parameters = lines.annotate(Count("pk")).query.sql_with_params()
    # Without the zone, PostgreSQL could not use a hash for this column.
    starts_at = (
        "lines.starts_at AT TIME ZONE 'UTC'" if connection.vendor == "postgresql" else "lines.starts_at"
    )
    alike = (
        f"WITH lines (plan_id, workspace_id, instance_id, starts_at, refused) AS ({sql}), "  # noqa: S608 - Django's
        "windows AS (SELECT lines.plan_id, lines.starts_at, lines.refused, COALESCE(MAX(held.used), 0) AS used, "
        "COALESCE(MAX(held.granted), 0) AS granted FROM lines "
        f"LEFT JOIN {QuotaWindow._meta.db_table} held ON held.workspace_id = lines.workspace_id "
        f"AND held.instance_id = lines.instance_id AND held.kind = %s AND held.starts_at = {starts_at} "
        "GROUP BY lines.plan_id, lines.instance_id, lines.starts_at, lines.refused) "
        "SELECT plan_id, starts_at, used, granted, refused, COUNT(*) FROM windows "
        "GROUP BY plan_id, starts_at, used, granted, refused"
    )
    with connection.cursor() as cursor:
        cursor.execute(alike, [*parameters, kind.value])
        for plan_id, starts_at, *numbers in cursor.fetchall():
            # PostgreSQL truncates to a time without zone, SQLite to text. Both are in UTC.
            naive = starts_at if isinstance(starts_at, datetime) else datetime.fromisoformat(starts_at)
            yield plan_id, naive.replace(tzinfo=UTC), *numbers


def _since(now: datetime) -> datetime:
    return WindowKind.DAY.start_of(now.astimezone(UTC)) - timedelta(days=SIMULATED_DAYS - 1)


def _estimate(compared: Comparison, basis: str) -> Estimate:
    before, after = compared
    return Estimate(
        refreshes_before=before.refreshes,
        refreshes_after=after.refreshes,
        refused_before=before.refused,
        refused_after=after.refused,
        stale_hours_before=before.stale_hours,
        stale_hours_after=after.stale_hours,
        basis=basis,
    )


def _minutes(length: timedelta) -> str:
    return f"{length / timedelta(minutes=1):g}"
