"""What needs the attention of staff, counted in the database with a fixed number of queries.

Nothing here asks the provider, Redis or a worker, so that the answer also comes while they are away.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum

from paris_integration import clock
from paris_integration.models import Connection, DailyUsage, Feed, PictureUse, ProviderWindow
from paris_integration.models.media import NOT_WAITING
from paris_integration.observing import usage
from paris_integration.types import ConnectionState, Warning, warning_of_fault

ENDS_WITHIN = timedelta(days=7)
LATE_AFTER = timedelta(minutes=15)
PICTURES_LATE_AFTER = timedelta(hours=1)
REFUSALS_OF = timedelta(days=7)
DAYS = 14
MOST_LINES = 10
_DEAD = (ConnectionState.RECONNECT_REQUIRED, ConnectionState.PERMISSION_MISSING, ConnectionState.DEAUTHORISED)
_USABLE = (ConnectionState.ACTIVE, ConnectionState.EXPIRING)


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
class FailingFeeds:
    """Feeds whose last refresh failed with one cause. `widgets`: how many widgets they belong to."""

    cause: Warning | None
    widgets: int
    first_at: datetime | None


@dataclass(frozen=True, slots=True)
class ThrottledCredential:
    """`credential`: a connection's id, or `public` for the operator's account."""

    credential: str
    username: str | None
    until: datetime


@dataclass(frozen=True, slots=True)
class LimitedWorkspace:
    workspace_id: UUID
    name: str
    refusals: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """Work that waits too long. `instance_id`: the widget that has waited longest."""

    number: int
    since: datetime | None
    instance_id: str


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

    `late_feeds`: feeds that are read but due for longer than LATE_AFTER, which means that beat or the worker is silent
    or behind.
    """

    dead: tuple[DeadConnections, ...]
    ending: tuple[EndingConnection, ...]
    ending_number: int
    ends_before: datetime
    failing: tuple[FailingFeeds, ...]
    throttled: tuple[ThrottledCredential, ...]
    throttled_number: int
    limited: tuple[LimitedWorkspace, ...]
    limited_number: int
    pictures: Waiting
    late_feeds: Waiting
    late_before: datetime
    days: tuple[DayOfUsage, ...]


def what_needs_attention(*, now: datetime) -> Attention:
    ends_before, late_before = now + ENDS_WITHIN, now - LATE_AFTER
    usable = Connection.objects.filter(state__in=[state.value for state in _USABLE])
    ending = usable.filter(expires_at__lt=ends_before)
    throttled = _throttled(now)
    limited = _limited(now)
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    late = Feed.objects.filter(next_refresh_at__lt=late_before, last_read_at__gte=active_since)
    pictures = PictureUse.objects.filter(
        picture__isnull=True, wanted_since__lt=now - PICTURES_LATE_AFTER
    ).exclude(reason__in=NOT_WAITING)
    return Attention(
        dead=_dead(),
        ending=tuple(
            EndingConnection(pk, username, workspace, ends_at)
            for pk, username, workspace, ends_at in ending.order_by("expires_at").values_list(
                "pk", "username", "workspace__name", "expires_at"
            )[:MOST_LINES]
            if ends_at is not None
        ),
        ending_number=ending.count(),
        ends_before=ends_before,
        failing=_failing(),
        throttled=_credentials(throttled),
        throttled_number=throttled.count(),
        limited=tuple(LimitedWorkspace(*row) for row in limited[:MOST_LINES]),
        limited_number=limited.count(),
        pictures=_waiting(pictures, "wanted_since", "feed__instance_id"),
        late_feeds=_waiting(late, "next_refresh_at", "instance_id"),
        late_before=late_before,
        days=usage_of_days(DAYS, now=now),
    )


def usage_of_days(days: int, *, now: datetime, workspace_id: UUID | None = None) -> tuple[DayOfUsage, ...]:
    """The usage of the last days (UTC), the oldest first; of one workspace, or of all together."""
    first = now.date() - timedelta(days=days - 1)
    rows = DailyUsage.objects.filter(day__gte=first, day__lte=now.date())
    if workspace_id is not None:
        rows = rows.filter(workspace_id=workspace_id)
    sums = {name: Sum(name) for name in usage.COLUMNS}
    found: dict[date, dict[str, Any]] = {
        row["day"]: dict(row) for row in rows.order_by().values("day").annotate(**sums)
    }
    return tuple(_day(first + timedelta(days=ago), found) for ago in range(days))


def cause_of_failing(instance_id: OuterRef) -> Subquery:
    """The fault of the instance's failing feed, for a query about instances of another app. NULL if none fails."""
    failing = Feed.objects.filter(instance_id=instance_id, outcome=Feed.Outcome.FAILED)
    return Subquery(failing.order_by("-attempted_at").values("fault")[:1])


def failing_instance_ids() -> QuerySet[Any, Any]:
    """The ids of instances with a failing feed, to be used inside a query."""
    return Feed.objects.filter(outcome=Feed.Outcome.FAILED).order_by().values("instance_id")


def _dead() -> tuple[DeadConnections, ...]:
    rows = Connection.objects.filter(state__in=[state.value for state in _DEAD]).order_by().values("state")
    counted = rows.annotate(number=Count("pk"), latest=Max("state_changed_at")).order_by("-latest")
    return tuple(
        DeadConnections(ConnectionState(row["state"]), row["number"], row["latest"]) for row in counted
    )


def _failing() -> tuple[FailingFeeds, ...]:
    rows = Feed.objects.filter(outcome=Feed.Outcome.FAILED).order_by().values("fault")
    counted = rows.annotate(widgets=Count("instance_id", distinct=True), first=Min("attempted_at")).order_by(
        "-widgets", "fault"
    )
    return tuple(
        FailingFeeds(warning_of_fault(row["fault"]) if row["fault"] else None, row["widgets"], row["first"])
        for row in counted
    )


def _throttled(now: datetime) -> QuerySet[ProviderWindow]:
    # The same rule as `feeds.rate_limits.parked_until`: a wait counts for a day at most.
    set_lately = Q(parked_at__gt=now - clock.LONG_CEILING, parked_at__lte=now + clock.CLOCK_TOLERANCE) | Q(
        parked_at__isnull=True, parked_until__lte=now + clock.LONG_CEILING
    )
    return ProviderWindow.objects.filter(set_lately, parked_until__gt=now).order_by("-parked_until")


def _credentials(throttled: QuerySet[ProviderWindow]) -> tuple[ThrottledCredential, ...]:
    rows = list(throttled.values_list("credential", "parked_until")[:MOST_LINES])
    ids = [credential for credential, _ in rows if _is_uuid(credential)]
    names = {
        str(pk): name for pk, name in Connection.objects.filter(pk__in=ids).values_list("pk", "username")
    }
    return tuple(
        ThrottledCredential(credential, names.get(credential), until)
        for credential, until in rows
        if until is not None
    )


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def _limited(now: datetime) -> QuerySet[Any, Any]:
    since = (now - REFUSALS_OF).date()
    rows = DailyUsage.objects.filter(day__gt=since, blocked_refreshes__gt=0).order_by()
    summed = rows.values("workspace_id", "workspace__name").annotate(refusals=Sum("blocked_refreshes"))
    return summed.order_by("-refusals", "workspace_id").values_list(
        "workspace_id", "workspace__name", "refusals"
    )


def _waiting(rows: QuerySet[Any], since: str, instance: str) -> Waiting:
    number = rows.count()
    first = rows.order_by(since).values_list(since, instance).first() if number else None
    return Waiting(number, *(first or (None, "")))


def _day(day: date, found: dict[date, dict[str, Any]]) -> DayOfUsage:
    row = found.get(day, {})
    return DayOfUsage(
        day=day,
        reads=row.get("feed_requests") or 0,
        refreshes=(row.get("automatic_refreshes") or 0) + (row.get("forced_refreshes") or 0),
        refusals=row.get("blocked_refreshes") or 0,
        provider_errors=row.get("provider_errors") or 0,
    )
