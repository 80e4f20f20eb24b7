"""What needs the attention of staff, counted in the database.

Nothing here asks the provider, Redis or a worker, so that the answer also comes while they are away. The number of
queries depends only on the number of causes. `benchmarks.desk` measures them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from django.db.models import Count, Max, Q, QuerySet, Sum

from entitlements.models import Workspace
from paris_integration import clock, registry
from paris_integration.connections import incidents
from paris_integration.models import (
    AuditEvent,
    Connection,
    DailyUsage,
    Feed,
    Incident,
    PictureUse,
    ProviderWindow,
)
from paris_integration.models.media import NOT_WAITING
from paris_integration.models.observing import LIMIT_REACHED
from paris_integration.observing import graph_versions, usage
from paris_integration.observing.graph_versions import OurVersion
from paris_integration.types import ConnectionState, Login, Mode, Trouble, Warning, warning_of_fault

ENDS_WITHIN = timedelta(days=7)
LATE_AFTER = timedelta(minutes=15)
PICTURES_LATE_AFTER = timedelta(hours=1)
REFUSALS_OF = timedelta(days=7)
DAYS = 14
WRITTEN_AFTER = timedelta(days=2)  # counts wait in memory while the database is away
KEPT_FOR = timedelta(days=20)
SUMS = 4
MOST_LINES = 10
MOST_COUNTED = 10_000
_DEAD = (ConnectionState.RECONNECT_REQUIRED, ConnectionState.PERMISSION_MISSING, ConnectionState.DEAUTHORISED)
_USABLE = (ConnectionState.ACTIVE, ConnectionState.EXPIRING)


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """Calls with many connections of this login fail alike.

    `is_narrow`: others work, so only those that failed wait.
    """

    login: Login
    cause: Trouble
    began_at: datetime
    next_probe_at: datetime
    is_narrow: bool


@dataclass(frozen=True, slots=True)
class DeadConnections:
    """Connections in one state that needs their owner. `latest_at`: since when the last of them."""

    state: ConnectionState
    number: int
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class EndingConnection:
    connection_id: UUID
    username: str
    workspace: str
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class FailingWidgets:
    """Widgets whose feed is read, but whose last refresh failed.

    `fault`: as stored; `cause`: its warning, None if no fault was stored. `widgets`: MOST_COUNTED at most. `tried_at`:
    the latest attempt.
    """

    fault: str
    cause: Warning | None
    widgets: int
    tried_at: datetime | None


@dataclass(frozen=True, slots=True)
class ThrottledCredential:
    """A credential that waits for Meta's rate limit. `connection_id` None: the operator's account, or deleted."""

    credential: str
    connection_id: UUID | None
    username: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LimitedWorkspace:
    """A workspace whose members asked for more refreshes than its plan allows. `latest_at`: the last refusal."""

    workspace_id: UUID
    name: str
    refusals: int
    latest_at: datetime


@dataclass(frozen=True, slots=True)
class Waiting:
    """Widgets whose work waits too long. `number`: MOST_COUNTED at most. `since`: the one that has waited longest."""

    number: int
    since: datetime | None


@dataclass(frozen=True, slots=True)
class DayOfUsage:
    day: date
    reads: int
    refreshes: int
    refusals: int
    provider_errors: int


@dataclass(frozen=True, slots=True)
class Attention:
    """Lists hold at most MOST_LINES, the worst first; the numbers beside them count all.

    `late`: widgets that are read, but whose feed has been due for longer than LATE_AFTER: beat or the worker is silent
    or behind. `version`: the Graph version in use, if it ends within 60 days or is gone. `pictures`: widgets with a
    picture that has waited for longer than PICTURES_LATE_AFTER.
    """

    incidents: tuple[OpenIncident, ...]
    dead: tuple[DeadConnections, ...]
    ending: tuple[EndingConnection, ...]
    ending_number: int
    ends_before: datetime
    failing: tuple[FailingWidgets, ...]
    throttled: tuple[ThrottledCredential, ...]
    throttled_number: int
    limited: tuple[LimitedWorkspace, ...]
    limited_number: int
    limited_since: datetime
    pictures: Waiting
    late: Waiting
    version: OurVersion | None
    days: tuple[DayOfUsage, ...]


def what_needs_attention(*, now: datetime) -> Attention:
    ending = _ending(now)
    throttled = _throttled(now)
    refusals = _refusals(now)
    return Attention(
        incidents=open_incidents(now=now),
        dead=_dead(),
        ending=tuple(EndingConnection(*row) for row in ending[:MOST_LINES]),
        ending_number=ending.count(),
        ends_before=now + ENDS_WITHIN,
        failing=_failing(now),
        throttled=_credentials(throttled),
        throttled_number=throttled.count(),
        limited=_limited(refusals),
        limited_number=refusals.aggregate(number=Count("workspace", distinct=True))["number"],
        limited_since=now - REFUSALS_OF,
        pictures=_waiting(_late_pictures(now), "wanted_since", "feed__instance_id"),
        late=_waiting(_late_feeds(now), "next_refresh_at", "instance_id"),
        version=_version(now),
        days=usage_of_all(DAYS, now=now),
    )


def _version(now: datetime) -> OurVersion | None:
    ours = graph_versions.our_version(now=now)
    return ours if ours.needs_attention else None


def open_incidents(*, now: datetime) -> tuple[OpenIncident, ...]:
    return tuple(_opened(row, now) for row in _open_rows())


def incidents_of(
    workspaces: Iterable[UUID] | QuerySet[Any, Any], *, now: datetime
) -> tuple[OpenIncident, ...]:
    """The open incidents because of which widgets of these workspaces aren't refreshed. Usually makes one query."""
    return tuple(_opened(row, now) for row in _open_rows() if _concerns(row, workspaces))


def _open_rows() -> QuerySet[Incident]:
    return Incident.objects.filter(ended_at__isnull=True).order_by("began_at")


def _concerns(row: Incident, workspaces: Iterable[UUID] | QuerySet[Any, Any]) -> bool:
    is_narrow = row.narrowed_at is not None
    used = incidents.affected_by(row) if is_narrow else Connection.objects.filter(login=row.login)
    if used.filter(workspace__in=workspaces).exists():
        return True
    # Public mode uses the app of Facebook login.
    if is_narrow or row.login != Login.FACEBOOK.value or not registry.has_public_mode():
        return False
    return Feed.objects.filter(workspace__in=workspaces, mode=Mode.PUBLIC.value).exists()


def _opened(row: Incident, now: datetime) -> OpenIncident:
    return OpenIncident(
        login=Login(row.login),
        cause=Trouble(row.cause),
        began_at=row.began_at,
        next_probe_at=now + incidents.until_probe(row, at=now),
        is_narrow=row.narrowed_at is not None,
    )


def usage_of_days(days: int, *, now: datetime, workspace_id: UUID) -> tuple[DayOfUsage, ...]:
    """The workspace's usage of the last days (UTC), the oldest first."""
    return _summed(_last_days(days, now), DailyUsage.objects.filter(workspace_id=workspace_id))


def usage_of_all(days: int, *, now: datetime) -> tuple[DayOfUsage, ...]:
    """The usage of all workspaces together on the last days (UTC), the oldest first.

    Sums of days whose counts are all written are kept in the cache: adding them up reads every row of these days.
    """
    wanted = _last_days(days, now)
    keys = {f"paris:usage:v1:{day}": day for day in wanted if now.date() - day >= WRITTEN_AFTER}
    known = {
        keys[key]: DayOfUsage(keys[key], *sums)
        for key, sums in cache.get_many(keys).items()
        if isinstance(sums, list) and len(sums) == SUMS and all(isinstance(number, int) for number in sums)
    }
    counted = _summed([day for day in wanted if day not in known], DailyUsage.objects.all())
    kept = {key: day for key, day in keys.items() if day not in known}
    found = known | {of_day.day: of_day for of_day in counted}
    for key, day in kept.items():
        of_day = found[day]
        sums = [of_day.reads, of_day.refreshes, of_day.refusals, of_day.provider_errors]
        cache.set(key, sums, timeout=int(KEPT_FOR.total_seconds()))
    return tuple(found[day] for day in wanted)


def _last_days(days: int, now: datetime) -> list[date]:
    return [now.date() - timedelta(days=ago) for ago in reversed(range(days))]


def _summed(days: list[date], rows: QuerySet[DailyUsage]) -> tuple[DayOfUsage, ...]:
    """The sums of these rows by day."""
    sums = {name: Sum(name) for name in usage.COLUMNS}
    of_days = rows.filter(day__in=days).order_by().values("day").annotate(**sums)
    found: dict[date, dict[str, Any]] = {row["day"]: dict(row) for row in of_days}
    return tuple(_day(day, found) for day in days)


def failing_instance_ids(fault: str, *, now: datetime) -> QuerySet[Any, Any]:
    """The ids of the widgets counted in `FailingWidgets`, in order, to be used inside a query."""
    return _failing_feeds(now).filter(fault=fault).order_by("instance_id").values("instance_id")


def late_instance_ids(*, now: datetime) -> QuerySet[Any, Any]:
    """The ids of the widgets counted in `Attention.late`, to be used inside a query."""
    return _late_feeds(now).order_by().values("instance_id")


def picture_waiting_instance_ids(*, now: datetime) -> QuerySet[Any, Any]:
    """The ids of the widgets counted in `Attention.pictures`, to be used inside a query."""
    return _late_pictures(now).order_by().values("feed__instance_id")


def _failing_feeds(now: datetime) -> QuerySet[Feed]:
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    return Feed.objects.filter(outcome=Feed.Outcome.FAILED, last_read_at__gte=active_since)


def _late_feeds(now: datetime) -> QuerySet[Feed]:
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    return Feed.objects.filter(next_refresh_at__lt=now - LATE_AFTER, last_read_at__gte=active_since)


def _late_pictures(now: datetime) -> QuerySet[PictureUse]:
    late = PictureUse.objects.filter(picture__isnull=True, wanted_since__lt=now - PICTURES_LATE_AFTER)
    return late.exclude(reason__in=NOT_WAITING)


def _dead() -> tuple[DeadConnections, ...]:
    rows = Connection.objects.filter(state__in=[state.value for state in _DEAD]).order_by().values("state")
    counted = rows.annotate(number=Count("pk"), latest=Max("state_changed_at"))
    found = [DeadConnections(ConnectionState(row["state"]), row["number"], row["latest"]) for row in counted]
    return tuple(sorted(found, key=lambda dead: (-dead.number, _DEAD.index(dead.state))))


def _ending(now: datetime) -> QuerySet[Any, Any]:
    usable = Connection.objects.filter(state__in=[state.value for state in _USABLE])
    ending = usable.filter(expires_at__lt=now + ENDS_WITHIN).order_by("expires_at")
    return ending.values_list("pk", "username", "workspace__name", "expires_at")


def _failing(now: datetime) -> tuple[FailingWidgets, ...]:
    # The widgets are counted one fault at a time: COUNT(DISTINCT …) would sort all of them.
    rows = _failing_feeds(now).order_by().values("fault").annotate(tried_at=Max("attempted_at"))
    found = [
        FailingWidgets(
            row["fault"],
            warning_of_fault(row["fault"]) if row["fault"] else None,
            failing_instance_ids(row["fault"], now=now).distinct()[:MOST_COUNTED].count(),
            row["tried_at"],
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda group: (-group.widgets, group.fault)))


def _throttled(now: datetime) -> QuerySet[ProviderWindow]:
    # The same rule as `feeds.rate_limits.parked_until`: a wait counts for a day at most.
    set_lately = Q(parked_at__gt=now - clock.LONG_CEILING, parked_at__lte=now + clock.CLOCK_TOLERANCE) | Q(
        parked_at__isnull=True, parked_until__lte=now + clock.LONG_CEILING
    )
    return ProviderWindow.objects.filter(set_lately, parked_until__gt=now).order_by("-parked_until")


def _credentials(throttled: QuerySet[ProviderWindow]) -> tuple[ThrottledCredential, ...]:
    rows = list(throttled.values_list("credential", "parked_until")[:MOST_LINES])
    ids = {credential: found for credential, _ in rows if (found := _uuid(credential))}
    names = dict(Connection.objects.filter(pk__in=ids.values()).values_list("pk", "username"))

    def read(credential: str, until: datetime) -> ThrottledCredential:
        connection_id = ids.get(credential)
        known = connection_id if connection_id in names else None
        return ThrottledCredential(credential, known, names[known] if known else "", until)

    return tuple(read(credential, until) for credential, until in rows if until is not None)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _refusals(now: datetime) -> QuerySet[AuditEvent]:
    return AuditEvent.objects.filter(
        LIMIT_REACHED, at__gte=now - REFUSALS_OF, workspace__isnull=False
    ).order_by()


def _limited(refusals: QuerySet[AuditEvent]) -> tuple[LimitedWorkspace, ...]:
    counted = refusals.values("workspace_id").annotate(number=Count("pk"), latest=Max("at"))
    rows = list(counted.order_by("-number", "-latest")[:MOST_LINES])
    names = dict(
        Workspace.objects.filter(pk__in=[row["workspace_id"] for row in rows]).values_list("pk", "name")
    )
    return tuple(
        LimitedWorkspace(
            row["workspace_id"], names.get(row["workspace_id"], ""), row["number"], row["latest"]
        )
        for row in rows
    )


def _waiting(rows: QuerySet[Any], since: str, instance: str) -> Waiting:
    first = rows.order_by(since).values_list(since, flat=True).first()
    if first is None:
        return Waiting(0, None)
    return Waiting(rows.order_by().values(instance).distinct()[:MOST_COUNTED].count(), first)


def _day(day: date, found: dict[date, dict[str, Any]]) -> DayOfUsage:
    row = found.get(day, {})
    return DayOfUsage(
        day=day,
        reads=row.get("feed_requests") or 0,
        refreshes=(row.get("automatic_refreshes") or 0) + (row.get("forced_refreshes") or 0),
        refusals=row.get("blocked_refreshes") or 0,
        provider_errors=row.get("provider_errors") or 0,
    )
