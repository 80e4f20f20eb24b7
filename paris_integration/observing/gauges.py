"""Gauges read from the database when the metrics page is requested, with a time limit per query.

If the database is away or slow, the page leaves them out and `instagram_database_up` is 0.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from entitlements.metric_labels import OTHER_WORKSPACES, labels
from foundation import faults, statements, threads
from foundation.cache import StoreAway, guarded_load
from outbox.unsent import waiting_for_the_server
from paris_integration import clock
from paris_integration.models import (
    Connection,
    Feed,
    ForcedRefresh,
    Incident,
    PictureStore,
    PictureUse,
    ProviderWindow,
)
from paris_integration.models.media import NOT_WAITING
from paris_integration.observing import graph_versions
from paris_integration.types import ConnectionState, Login

STATEMENT_TIMEOUT_MS = 1_000
PUBLIC_CREDENTIAL = "public"
ENDS_WITHIN_DAYS = (1, 7, 30)
UNITS = {"succeeded": "spent", "in_doubt": "in_doubt", "failed": "given_back"}


class DatabaseGauges(Collector):
    """Gauges computed from the database. Every process reports the same values."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily("instagram_database_up", "Whether the database answered this scrape in time.")
        try:
            with statements.limited_to(STATEMENT_TIMEOUT_MS / 1_000):
                families = guarded_load(lambda: _read_all(timezone.now()), patience_seconds=0)
        except (StoreAway, *faults.DRIVER_ERRORS):
            families = []
        finally:
            threads.give_back()
        up.add_metric([], 1.0 if families else 0.0)
        yield up
        yield from families

    def describe(self) -> list[GaugeMetricFamily]:
        """Empty, so that registering the collector doesn't query the database."""
        return []


def _read_all(now: datetime) -> list[GaugeMetricFamily]:
    with transaction.atomic():
        # The server's own limit per query; `statements.limited_to` covers a server that hangs.
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(f"SET LOCAL statement_timeout = {STATEMENT_TIMEOUT_MS}")
        return [
            *_connections(now),
            *_backlog(now),
            *_provider(now),
            *_units(now),
            *_pictures(now),
            *_mails(now),
            *_graph_version(now),
        ]


def _connections(now: datetime) -> Iterator[GaugeMetricFamily]:
    states = GaugeMetricFamily("instagram_connections", "Connections by state.", labels=["kind"])
    counted = _count_by(Connection.objects.all(), "state")
    for state in ConnectionState:
        states.add_metric([state.value], counted.get(state.value, 0))
    yield states
    usable = Connection.objects.filter(
        state__in=(ConnectionState.ACTIVE.value, ConnectionState.EXPIRING.value)
    )
    within = {
        f"within_{days}d": Count("pk", filter=Q(expires_at__lt=now + timedelta(days=days)))
        for days in ENDS_WITHIN_DAYS
    }
    ending = usable.aggregate(first=Min("expires_at"), **within)
    first = ending.pop("first")
    family = GaugeMetricFamily(
        "instagram_connections_ending",
        "Working connections whose token expires within this many days.",
        labels=["kind"],
    )
    for name, number in ending.items():
        family.add_metric([name], number)
    yield family
    soonest = GaugeMetricFamily(
        "instagram_connection_expiry_min_days", "Days until the next token of a working connection expires."
    )
    if first is not None:
        soonest.add_metric([], (first - now) / timedelta(days=1))
    yield soonest
    incident = GaugeMetricFamily(
        "instagram_incident",
        "Whether calls with so many connections of a login fail that Meta or the app is the likely cause.",
        labels=["kind"],
    )
    lasting = set(Incident.objects.filter(ended_at__isnull=True).values_list("login", flat=True))
    for login in Login:
        incident.add_metric([login.value], 1.0 if login.value in lasting else 0.0)
    yield incident


def _backlog(now: datetime) -> Iterator[GaugeMetricFamily]:
    active_since = now - timedelta(days=settings.ACTIVE_FEED_DAYS)
    due = Feed.objects.filter(next_refresh_at__lte=now, last_read_at__gte=active_since)
    found = due.aggregate(size=Count("pk"), first=Min("next_refresh_at"))
    age = (now - found["first"]).total_seconds() if found["first"] else 0.0
    yield GaugeMetricFamily(
        "instagram_due_backlog_feeds", "Active feeds due for a refresh.", value=found["size"]
    )
    yield GaugeMetricFamily(
        "instagram_due_backlog_age_seconds", "How long the oldest due feed has been waiting.", value=age
    )


def _provider(now: datetime) -> Iterator[GaugeMetricFamily]:
    is_public = Q(credential=PUBLIC_CREDENTIAL)
    # The same rule as `feeds.rate_limits.parked_until`: a wait counts for a day at most.
    set_lately = Q(parked_at__gt=now - clock.LONG_CEILING, parked_at__lte=now + clock.CLOCK_TOLERANCE) | Q(
        parked_at__isnull=True, parked_until__lte=now + clock.LONG_CEILING
    )
    is_parked = Q(parked_until__gt=now) & set_lately
    found = ProviderWindow.objects.aggregate(
        public=Max("usage_percent", filter=is_public),
        connections=Max("usage_percent", filter=~is_public),
        parked_public=Count("pk", filter=is_public & is_parked),
        parked_connections=Count("pk", filter=~is_public & is_parked),
    )
    usage = GaugeMetricFamily(
        "instagram_provider_usage_percent",
        "Usage of Meta's rate limits as reported by Meta, the highest per kind.",
        labels=["kind"],
    )
    parked = GaugeMetricFamily(
        "instagram_provider_parked_credentials",
        "Credentials throttled by Meta.",
        labels=["kind"],
    )
    for kind in ("public", "connections"):
        usage.add_metric([kind], found[kind] or 0.0)
        parked.add_metric([kind], found[f"parked_{kind}"])
    yield usage
    yield parked


def _units(now: datetime) -> Iterator[GaugeMetricFamily]:
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    counted = _count_by(ForcedRefresh.objects.filter(settled_at__gte=day), "state")
    units = GaugeMetricFamily(
        "instagram_units_today", "Units of forced refreshes settled today (UTC).", labels=["outcome"]
    )
    for state, outcome in UNITS.items():
        units.add_metric([outcome], counted.get(state, 0))
    yield units


def _pictures(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = PictureUse.objects.filter(picture__isnull=True).exclude(reason__in=NOT_WAITING)
    found = waiting.aggregate(number=Count("pk"), first=Min("wanted_since"))
    age = (now - found["first"]).total_seconds() if found["first"] else 0.0
    yield GaugeMetricFamily(
        "instagram_pictures_waiting", "Pictures waiting for a copy.", value=found["number"]
    )
    yield GaugeMetricFamily(
        "instagram_pictures_waiting_age_seconds", "How long the oldest picture has been waiting.", value=age
    )
    stored = GaugeMetricFamily(
        "instagram_picture_bytes", "Bytes of the stored pictures.", labels=["workspace"]
    )
    sums: Counter[str] = Counter({OTHER_WORKSPACES: 0})
    for workspace_id, number in PictureStore.objects.values_list("workspace_id", "stored_bytes").iterator():
        sums[labels.label_of(workspace_id)] += number
    for label, number in sums.items():
        stored.add_metric([label], number)
    yield stored
    full = PictureStore.objects.filter(is_full=True).count()
    yield GaugeMetricFamily(
        "instagram_picture_stores_full",
        "Workspaces whose pictures have reached MEDIA_BYTES_PER_WORKSPACE.",
        value=full,
    )


def _mails(now: datetime) -> Iterator[GaugeMetricFamily]:
    found = waiting_for_the_server().aggregate(number=Count("pk"), first=Min("queued_at"))
    age = (now - found["first"]).total_seconds() if found["first"] else 0.0
    yield GaugeMetricFamily(
        "instagram_mails_waiting",
        "Mails that wait for the mail server or a worker.",
        value=found["number"],
    )
    yield GaugeMetricFamily(
        "instagram_mails_waiting_age_seconds", "How long the oldest mail has been waiting.", value=age
    )


def _graph_version(now: datetime) -> Iterator[GaugeMetricFamily]:
    ours = graph_versions.our_version(now=now)
    left = GaugeMetricFamily(
        "instagram_graph_version_days_left", "Days until Meta ends the version in META_GRAPH_VERSION."
    )
    if ours.time_left is not None:
        left.add_metric([], ours.time_left / timedelta(days=1))
    yield left
    served = GaugeMetricFamily(
        "instagram_graph_version_served",
        "Whether the Graph host of a login serves the version in META_GRAPH_VERSION, by the last daily check.",
        labels=["kind"],
    )
    gone = [each.login for each in ours.gone]
    for login in Login:
        known = 1.0 if login in ours.served else 0.0 if login in gone else float("nan")
        served.add_metric([login.value], known)
    yield served


def _count_by(rows: QuerySet[Connection] | QuerySet[ForcedRefresh], field: str) -> dict[str, int]:
    return dict(rows.order_by().values_list(field).annotate(number=Count("pk")))
