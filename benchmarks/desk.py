"""Measure the first page of the support desk with many feeds, on a temporary PostgreSQL database.

DATABASE_URL=postgres://... python -m benchmarks.desk --feeds 100000
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from datetime import UTC, datetime, timedelta

from tests.databases import fresh_database

FEEDS_PER_WORKSPACE = 10
BATCH = 5_000


def fill(feeds: int, now: datetime) -> None:
    """Widgets with a feed and a site each. Every tenth feed fails, every hundredth is late."""
    from django.db import connection

    from entitlements.models import Plan, Workspace
    from paris_integration.models import Connection, DailyUsage, Feed, PictureUse, ProviderWindow
    from venice_api.models import PageSighting, WidgetInstance

    plan = Plan.objects.order_by("rank")[0]
    faults = ("SOURCE_NOT_FOUND", "PROVIDER_ERROR", "PROVIDER_UNAVAILABLE", "RECONNECT_REQUIRED")
    workspaces = Workspace.objects.bulk_create(
        [Workspace(name=f"Workspace {n}", plan=plan) for n in range(max(feeds // FEEDS_PER_WORKSPACE, 1))],
        batch_size=BATCH,
    )
    for start in range(0, feeds, BATCH):
        numbers = range(start, min(start + BATCH, feeds))
        owners = [workspaces[n % len(workspaces)] for n in numbers]
        widgets = WidgetInstance.objects.bulk_create(
            WidgetInstance(workspace=owner, source_type="profile", source_value=f"account{n}")
            for n, owner in zip(numbers, owners, strict=True)
        )
        made = Feed.objects.bulk_create(
            Feed(
                workspace=owner,
                instance_id=widget.pk,
                source_type="profile",
                source_value=widget.source_value,
                mode="public",
                posts_encoded='[{"id":"1"}]' * 100,
                outcome="failed" if n % 10 == 0 else "succeeded",
                fault=faults[n // 10 % len(faults)] if n % 10 == 0 else "",
                attempted_at=now - timedelta(hours=1),
                last_read_at=now,
                next_refresh_at=now + timedelta(hours=1 if n % 100 else -1),
            )
            for n, owner, widget in zip(numbers, owners, widgets, strict=True)
        )
        PageSighting.objects.bulk_create(
            PageSighting(instance=widget, host=f"site{n % 20_000}.example", last_seen_at=now)
            for n, widget in zip(numbers, widgets, strict=True)
        )
        PictureUse.objects.bulk_create(
            PictureUse(feed=feed, item="1", url="https://x.example/1", wanted_since=now - timedelta(hours=2))
            for feed in made[::20]
        )
    connections = Connection.objects.bulk_create(
        [
            Connection(
                workspace=workspace,
                login="instagram",
                account_id="1",
                username=f"account{n}",
                obtained_at=now,
                state_changed_at=now,
                state="active" if n % 10 else "reconnect_required",
                expires_at=now + timedelta(days=n % 60),
            )
            for n, workspace in enumerate(workspaces)
        ],
        batch_size=BATCH,
    )
    ProviderWindow.objects.bulk_create(
        ProviderWindow(credential=str(row.pk), parked_at=now, parked_until=now + timedelta(hours=1))
        for row in connections[::100]
    )
    DailyUsage.objects.bulk_create(
        (
            DailyUsage(
                workspace=workspace,
                day=now.date() - timedelta(days=ago),
                feed_requests=9,
                blocked_refreshes=1,
            )
            for workspace in workspaces
            for ago in range(30)
        ),
        batch_size=BATCH,
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def measure(feeds: int, rounds: int) -> dict[str, float]:
    import django

    django.setup()
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("migrate", verbosity=0)
    fill(feeds, datetime.now(UTC))
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("desk"))
    took = []
    for _ in range(rounds):
        began = time.monotonic()
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/admin/").status_code == 200
        took.append((time.monotonic() - began) * 1_000)
    connection.close()
    return {
        "feeds": feeds,
        "queries": len(queries),
        "firstMilliseconds": round(took[0]),
        "medianMilliseconds": round(statistics.median(took)),
        "slowestQueryMilliseconds": round(max(float(query["time"]) for query in queries) * 1_000),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--feeds", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        os.environ["DATABASE_URL"] = url
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        print(json.dumps(measure(arguments.feeds, arguments.rounds)))


if __name__ == "__main__":
    main()
