"""Measure the pages of the support desk with many feeds, on a temporary PostgreSQL database.

DATABASE_URL=postgres://... python -m benchmarks.desk --feeds 100000 [--trouble 100] [--explain 50]
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.databases import fresh_database

FEEDS_PER_WORKSPACE = 10
SITES = 20_000


def multiply(row: Any, number: int, **values: str) -> None:
    """Replace the saved row by `number` copies. `values`: SQL for the columns that differ; `n` counts from 0."""
    from django.db import connection

    table, key = row._meta.db_table, row._meta.pk
    columns = [
        field.column for field in row._meta.concrete_fields if field is not key or field.column in values
    ]
    chosen = ", ".join(values.get(column, f'old."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f'WITH old AS (DELETE FROM "{table}" WHERE "{key.column}" = %s RETURNING *) '  # noqa: S608
            f'INSERT INTO "{table}" ({names}) SELECT {chosen} FROM old, generate_series(0, %s - 1) AS n',
            [key.get_db_prep_value(row.pk, connection), number],
        )


def _uuid(kind: int, number: str = "n") -> str:
    return f"('{kind:08d}-0000-4000-8000-' || lpad(({number})::text, 12, '0'))::uuid"


def fill(feeds: int, now: datetime, trouble_percent: int) -> None:
    """Workspaces with ten widgets each, a feed and a site for every widget, a member, a connection and daily usage.

    `trouble_percent`: of the feeds fail, are late, and have a waiting picture; of the connections are dead; of the acts
    are refused.
    """
    from django.contrib.auth.models import User
    from django.db import connection

    from entitlements.models import Membership, Plan, Workspace
    from outbox.models import Mail
    from paris_integration.models import (
        AuditEvent,
        Connection,
        ConnectionLink,
        DailyUsage,
        Feed,
        PictureUse,
        ProviderWindow,
    )
    from venice_api.models import PageSighting, WidgetInstance

    workspaces = max(feeds // FEEDS_PER_WORKSPACE, 1)
    hour = "interval '1 hour'"
    in_trouble = f"n %% 100 < {trouble_percent}"
    sign = f"(CASE WHEN {in_trouble} THEN -1 ELSE 1 END)"
    of_workspace = _uuid(1, f"n %% {workspaces}")
    widget = "'wgt_instagramfeed_u_' || lpad(n::text, 20, '0')"

    home = Workspace.objects.create(name="", plan=Plan.objects.order_by("rank")[0])
    multiply(home, workspaces, id=_uuid(1), name="'Workspace ' || n")
    home = Workspace.objects.order_by("id")[0]

    person = User.objects.create_user("person")
    multiply(
        person, workspaces, id="n + 100", username="'person' || n", email="'person' || n || '@shop.example'"
    )
    member = Membership.objects.create(workspace=home, user_id=100, role="owner")
    multiply(member, workspaces, workspace_id=_uuid(1), user_id="n + 100")

    row = WidgetInstance.objects.create(
        workspace=home, name="Home page", source_type="profile", source_value="x"
    )
    multiply(row, feeds, id=widget, workspace_id=of_workspace, source_value="'account' || n")
    first = WidgetInstance.objects.order_by("pk")[0]

    feed = Feed.objects.create(
        workspace=home, instance_id="x", source_type="profile", source_value="x", mode="public",
        attempted_at=now, last_read_at=now, next_refresh_at=now, outcome="succeeded",
    )  # fmt: skip
    faults = "(ARRAY['SOURCE_NOT_FOUND', 'PROVIDER_ERROR', 'PROVIDER_UNAVAILABLE', 'RECONNECT_REQUIRED'])"
    multiply(
        feed,
        feeds,
        id=_uuid(2),
        workspace_id=of_workspace,
        instance_id=widget,
        source_value="'account' || n",
        posts_encoded="(SELECT string_agg(md5((n * 100 + i)::text), '') FROM generate_series(1, 60) AS i)",
        outcome=f"CASE WHEN {in_trouble} THEN 'failed' ELSE 'succeeded' END",
        fault=f"CASE WHEN {in_trouble} THEN {faults}[n %% 4 + 1] ELSE '' END",
        attempted_at=f"old.attempted_at - random() * {hour}",
        next_refresh_at=f"old.next_refresh_at + (0.3 + random()) * {sign} * {hour}",
    )

    page = PageSighting.objects.create(instance=first, host="x", last_seen_at=now)
    multiply(page, feeds, instance_id=widget, host=f"'site' || (n %% {SITES}) || '.example'")
    use = PictureUse.objects.create(
        feed=Feed.objects.order_by("pk")[0], item="1", url="https://x.example/1",
        wanted_since=now - timedelta(hours=2),
    )  # fmt: skip
    multiply(use, feeds * trouble_percent // 100, feed_id=_uuid(2))

    account = Connection.objects.create(
        workspace=home, login="instagram", account_id="1", username="x", obtained_at=now,
        state_changed_at=now, expires_at=now,
    )  # fmt: skip
    multiply(
        account,
        workspaces,
        id=_uuid(3),
        workspace_id=_uuid(1),
        username="'owner' || n",
        account_id="n::text",
        state=f"CASE WHEN {in_trouble} THEN 'reconnect_required' ELSE 'active' END",
        expires_at="old.expires_at + (n %% 60) * interval '1 day'",
    )
    link = ConnectionLink.objects.create(
        instance_id="x", connection=Connection.objects.order_by("pk")[0], workspace=home, linked_at=now
    )
    multiply(link, workspaces, instance_id=widget, connection_id=_uuid(3), workspace_id=_uuid(1))
    window = ProviderWindow.objects.create(
        credential="x", parked_at=now, parked_until=now + timedelta(hours=1)
    )
    multiply(window, max(workspaces // 100, 1), credential=f"{_uuid(3, 'n * 100')}::text")
    day = DailyUsage.objects.create(
        workspace=home, day=now.date(), feed_requests=9, automatic_refreshes=5, blocked_refreshes=1
    )
    multiply(day, workspaces * 30, workspace_id=of_workspace, day=f"old.day - (n / {workspaces})::int")
    event = AuditEvent.objects.create(
        at=now, workspace=home, actor="person", action="forced_refresh", outcome="done"
    )
    multiply(
        event,
        feeds * 2,
        workspace_id=of_workspace,
        instance_id=widget,
        at=f"old.at - n * interval '30 days' / {feeds * 2}",
        outcome=f"CASE WHEN {in_trouble} THEN 'refused' ELSE 'done' END",
        reason=f"CASE WHEN {in_trouble} THEN 'QUOTA_EXCEEDED' ELSE '' END",
    )
    mail = Mail.objects.create(
        kind="invitation", recipient="x", queued_at=now - timedelta(hours=3), next_try_at=now, expires_at=now
    )
    multiply(
        mail,
        2_000,
        recipient="'person' || n || '@shop.example'",
        next_try_at="CASE WHEN n %% 2 = 0 THEN old.next_try_at END",
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def pages(feeds: int) -> dict[str, str]:
    """What is measured: a name and an address for each."""
    from django.urls import reverse

    from entitlements.models import Workspace

    number = feeds // 2 + 3
    widget = f"wgt_instagramfeed_u_{number:020d}"
    widgets = reverse("admin:venice_api_widgetinstance_changelist")
    find = reverse("admin:desk_find") + "?q="
    workspace = Workspace.objects.order_by("-id")[0]
    return {
        "first page": reverse("admin:index"),
        "workspace": reverse("admin:entitlements_workspace_change", args=[workspace.pk]),
        "widget": reverse("admin:venice_api_widgetinstance_change", args=[widget.replace("_", "_5F")]),
        "search: workspace": f"{find}workspace+{number // 100}",
        "search: widget id": f"{find}{widget}",
        "search: source": f"{find}@account{number}",
        "search: connected account": f"{find}@owner{number // 100}",
        "search: member": f"{find}person{number // 100}",
        "search: e-mail address": f"{find}person{number // 100}@shop.example",
        "search: page": f"{find}https%3A%2F%2Fsite{number % SITES}.example%2Fpages%2F1",
        "search: nothing": f"{find}nothing-has-this-name",
        "list: failing widgets": f"{widgets}?attention=failing-PROVIDER_ERROR",
        "list: late widgets": f"{widgets}?attention=late",
        "list: widgets with waiting pictures": f"{widgets}?attention=pictures",
        "list: feeds": reverse("admin:paris_integration_feed_changelist"),
    }


def measure(feeds: int, trouble_percent: int, rounds: int, explain_from_ms: float) -> dict[str, Any]:
    import django

    django.setup()
    logging.disable(logging.INFO)
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    call_command("migrate", verbosity=0)
    began = time.monotonic()
    fill(feeds, datetime.now(UTC), trouble_percent)
    print(f"filled in {time.monotonic() - began:.0f} s", file=sys.stderr)
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.create_superuser("desk"))
    results: dict[str, Any] = {}
    for name, address in pages(feeds).items():
        took = []
        for _ in range(rounds):
            began = time.monotonic()
            with CaptureQueriesContext(connection) as queries:
                answer = client.get(address)
            took.append((time.monotonic() - began) * 1_000)
            assert answer.status_code == 200, (name, answer.status_code)
        slowest = max(queries, key=lambda query: float(query["time"]))
        results[name] = {
            "queries": len(queries),
            "firstMilliseconds": round(took[0]),
            "medianMilliseconds": round(statistics.median(took)),
            "slowestQueryMilliseconds": round(float(slowest["time"]) * 1_000),
        }
        for query in queries:
            if explain_from_ms and float(query["time"]) * 1_000 >= explain_from_ms:
                _explain(name, query["sql"])
    connection.close()
    return {"feeds": feeds, "troublePercent": trouble_percent, "pages": results}


def _explain(page: str, sql: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS) " + sql.replace("%", "%%"))
        plan = "\n".join(line for (line,) in cursor.fetchall())
    print(f"--- {page}\n{sql}\n{plan}\n", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--feeds", type=int, default=100_000)
    parser.add_argument(
        "--trouble", type=int, default=10, metavar="PERCENT", help="of everything that can fail"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--explain", type=float, default=0, metavar="MS", help="explain queries that take so long"
    )
    arguments = parser.parse_args()
    with fresh_database(os.environ["DATABASE_URL"]) as url:
        os.environ["DATABASE_URL"] = url
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        measured = measure(arguments.feeds, arguments.trouble, arguments.rounds, arguments.explain)
        print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
