"""Measure the review of a change of plans with many workspaces, on a temporary PostgreSQL database.

DATABASE_URL=postgres://... python -m benchmarks.plan_changes --workspaces 10000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta

from tests.databases import fresh_database

DAYS = 30
BATCH = 5_000
CHANGES = {
    "interval": {"instagram.refresh.ttlMinutes.min": 77},
    "staleAfter": {"instagram.cache.ttlMinutes.default": 99},
    "unitsOfDay": {"instagram.refresh.forcePerDay.max": 3},
    "unitsOfHour": {"instagram.refresh.forcePerHour.max": 2},
    "source": {"instagram.profile.enabled": False},
    "allOfThem": {
        "instagram.refresh.ttlMinutes.min": 77,
        "instagram.cache.ttlMinutes.default": 99,
        "instagram.refresh.forcePerDay.max": 3,
        "instagram.refresh.forcePerHour.max": 2,
        "instagram.profile.enabled": False,
    },
}


def fill(number: int, now: datetime) -> None:
    """Workspaces of one plan with ten feeds each, usage, one window of a day and an hour per day, and refusals."""
    from django.db import connection

    from entitlements.models import EntitlementOverride, Plan, Workspace
    from paris_integration.models import AuditEvent, DailyUsage, Feed, QuotaWindow

    plan = Plan.objects.get(key="business")
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    workspaces = Workspace.objects.bulk_create(
        [Workspace(name=f"Workspace {n}", plan=plan) for n in range(number)], batch_size=BATCH
    )
    EntitlementOverride.objects.bulk_create(
        EntitlementOverride(workspace=each, key="instagram.refresh.ttlMinutes.min", value=30 + n % 9)
        for n, each in enumerate(workspaces[::20])
    )
    for feeds in range(10):
        Feed.objects.bulk_create(
            (
                Feed(
                    workspace=each,
                    instance_id=f"wgt_{n}_{feeds}",
                    source_type="profile" if feeds % 2 else "hashtag",
                    source_value="acme",
                    mode="public",
                )
                for n, each in enumerate(workspaces)
            ),
            batch_size=BATCH,
        )
    for ago in range(DAYS):
        day = today - timedelta(days=ago)
        DailyUsage.objects.bulk_create(
            (
                DailyUsage(workspace=each, day=day.date(), automatic_refreshes=240, feed_requests=9_000)
                for each in workspaces
            ),
            batch_size=BATCH,
        )
        QuotaWindow.objects.bulk_create(
            (
                QuotaWindow(
                    workspace=each,
                    instance_id=f"wgt_{n}_1",
                    source_type="profile",
                    source_value="acme",
                    kind=kind,
                    starts_at=day + timedelta(hours=9 if kind == "hour" else 0),
                    used=(n + ago) % 7,
                )
                for n, each in enumerate(workspaces)
                for kind in ("day", "hour")
            ),
            batch_size=BATCH,
        )
        AuditEvent.objects.bulk_create(
            (
                AuditEvent(
                    at=day + timedelta(hours=9),
                    workspace=each,
                    instance_id=f"wgt_{n}_1",
                    actor="anna",
                    action="forced_refresh",
                    outcome="refused" if n % 5 == 0 else "done",
                    reason="QUOTA_EXCEEDED" if n % 5 == 0 else "",
                )
                for n, each in enumerate(workspaces)
            ),
            batch_size=BATCH,
        )
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def measure(workspaces: int, rounds: int) -> dict[str, object]:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from entitlements.models import Plan, PlanEntitlement
    from entitlements.reviews import CellChange, effects_of

    call_command("migrate", verbosity=0)
    now = datetime.now(UTC)
    fill(workspaces, now)
    plan = Plan.objects.get(key="business")
    stored = dict(PlanEntitlement.objects.filter(plan=plan).values_list("key", "value"))
    found: dict[str, object] = {"workspaces": workspaces, "days": DAYS}
    for name, values in CHANGES.items():
        changes = [
            CellChange(plan.pk, plan.name, key, stored.get(key), value) for key, value in values.items()
        ]
        took = []
        for _ in range(rounds):
            began = time.monotonic()
            with CaptureQueriesContext(connection) as queries:
                effects = effects_of(changes, now)
            took.append((time.monotonic() - began) * 1_000)
        assert all(effect.workspaces + effect.overridden == workspaces for effect in effects)
        found[name] = {
            "queries": len(queries),
            "firstMilliseconds": round(took[0]),
            "medianMilliseconds": round(statistics.median(took)),
            "slowestQueryMilliseconds": round(max(float(query["time"]) for query in queries) * 1_000),
        }
    connection.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspaces", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        os.environ["DATABASE_URL"] = url
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        print(json.dumps(measure(arguments.workspaces, arguments.rounds), indent=2))


if __name__ == "__main__":
    main()
