"""Measure times that must not grow with the number of feeds, on temporary PostgreSQL databases.

DATABASE_URL=postgres://... REDIS_URL=redis://... python -m benchmarks.scale --feeds 1000 100000 --plans

Prints one table with a column per number of feeds. Rounds alternate between them. `--plans` writes the query plans of
the largest to benchmarks/plans/.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import logging
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.databases import fresh_database

PLANS = Path(__file__).parent / "plans"
FEEDS_PER_WORKSPACE = 10
ROWS_PER_FEED = 10
MOST_ROWS = 10_000_000
DAYS_OF_USAGE = 30
LISTED_WIDGETS = 200
CLAIMED = 500
CLAIM_BATCH = 100  # as beat claims them
PROCESSES = 8
READS = 60
EXPIRED = 2_000
CHARGE_SECONDS = 2.0
CHARGED_WORKSPACES = 50
CHARGES = {"own": "own widgets", "fifty": "fifty widgets each", "same": "the same widget"}
HOUR, DAY = "interval '1 hour'", "interval '1 day'"

Measures = dict[str, float]


# Rows -----------------------------------------------------------------------------------------------------------------


def copy_row(row: Any, number: int, **values: str) -> None:
    """Replace the saved row by `number` copies. `values`: SQL for the columns that differ; `n` counts from 0."""
    from django.db import connection

    table, key = row._meta.db_table, row._meta.pk
    columns = [
        field.column for field in row._meta.concrete_fields if field is not key or field.column in values
    ]
    chosen = ", ".join(values.get(column, f'old."{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor, without_indexes(cursor, table):
        cursor.execute(
            f'WITH old AS (DELETE FROM "{table}" WHERE "{key.column}" = %s RETURNING *) '  # noqa: S608
            f'INSERT INTO "{table}" ({names}) SELECT {chosen} FROM old, generate_series(0, %s - 1) AS n',
            [key.get_db_prep_value(row.pk, connection), number],
        )


@contextmanager
def without_indexes(cursor: Any, table: str) -> Iterator[None]:
    """Drop the table's indexes that hold no constraint, and build them again at the end."""
    cursor.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = %s::regclass AND NOT indisunique",
        [table],
    )
    indexes = cursor.fetchall()
    for name, _ in indexes:
        cursor.execute(f"DROP INDEX {name}")
    yield
    for _, definition in indexes:
        cursor.execute(definition)


def numbered_uuid(kind: int, number: str = "n") -> str:
    return f"('{kind:08d}-0000-4000-8000-' || lpad(({number})::text, 12, '0'))::uuid"


def uuid_of(kind: int, number: int) -> UUID:
    return UUID(f"{kind:08d}-0000-4000-8000-{number:012d}")


def widget_of(number: int) -> str:
    return f"wgt_instagramfeed_u_{number:020d}"


def posts() -> str:
    """12 stored posts of about 500 bytes each."""
    dice = random.Random(1)  # noqa: S311
    found = []
    for number in range(12):
        link = f"https://scontent.example/v/{dice.getrandbits(256):x}?oe={dice.getrandbits(64):x}"
        post = {
            "id": str(17_000_000_000_000_000 + number),
            "caption": " ".join(f"word{dice.getrandbits(16)}" for _ in range(30)),
            "mediaUrl": link,
            "permalink": f"https://www.instagram.com/p/{dice.getrandbits(60):x}/",
        }
        found.append([post["id"], "image", None, json.dumps(post)])
    return json.dumps(found)


def fill(feeds: int, rows: int, now: datetime) -> None:
    """Workspaces with ten widgets each; for every widget a feed, a site, a unit used today, and ledger and audit rows.

    60 % of the feeds are due and 2 % fail. As after an outage, as many feeds are late as are due. The first
    workspace has LISTED_WIDGETS widgets.
    """
    from django.contrib.auth.models import User
    from django.db import connection

    from entitlements.models import EntitlementOverride, Membership, Plan, Workspace
    from paris_integration.models import (
        AuditEvent,
        Connection,
        ConnectionLink,
        DailyUsage,
        Feed,
        ForcedRefresh,
        PictureUse,
        QuotaWindow,
    )
    from venice_api.models import DailyReads, PageSighting, WidgetInstance

    workspaces = max(feeds // FEEDS_PER_WORKSPACE, 1)
    of_feed = f"'wgt_instagramfeed_u_' || lpad((n %% {feeds})::text, 20, '0')"
    first = f"CASE WHEN n < {LISTED_WIDGETS} THEN 0 ELSE n %% {workspaces} END"
    of_workspace = numbered_uuid(1, first)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no checks of foreign keys
        cursor.execute("SET synchronous_commit = off")
        cursor.execute("SET maintenance_work_mem = '512MB'")

    home = Workspace.objects.create(name="", plan=Plan.objects.get(key="business"))
    copy_row(home, workspaces, id=numbered_uuid(1), name="'Shop ' || n || ' of ' || md5(n::text)")
    home = Workspace.objects.get(pk=uuid_of(1, 0))
    person = User.objects.create(username="person")
    copy_row(
        person, workspaces, id="n + 100", username="'person' || n", email="'person' || n || '@x.example'"
    )
    member = Membership.objects.create(workspace=home, user_id=100, role="owner")
    copy_row(member, workspaces, workspace_id=numbered_uuid(1), user_id="n + 100")
    override = EntitlementOverride.objects.create(
        workspace=home, key="instagram.refresh.forcePerDay.max", value=1_000_000
    )
    copy_row(override, max(workspaces // 20, CHARGED_WORKSPACES), workspace_id=numbered_uuid(1))
    hourly = EntitlementOverride.objects.create(
        workspace=home, key="instagram.refresh.forcePerHour.max", value=1_000_000
    )
    copy_row(hourly, max(workspaces // 20, CHARGED_WORKSPACES), workspace_id=numbered_uuid(1))

    row = WidgetInstance.objects.create(workspace=home, source_type="profile", source_value="x")
    copy_row(
        row,
        feeds,
        id=of_feed,
        workspace_id=of_workspace,
        name="'Wall ' || md5(n::text)",
        source_value="'account' || n",
        updated_at=f"old.updated_at - n * {HOUR} / 1000",
    )
    feed = Feed.objects.create(
        workspace=home, instance_id="x", source_type="profile", source_value="x", mode="public",
        posts_encoded=posts(), fetched_at=now, attempted_at=now, last_read_at=now, next_refresh_at=now,
        outcome="succeeded",
    )  # fmt: skip
    copy_row(
        feed,
        feeds,
        id=numbered_uuid(2),
        workspace_id=of_workspace,
        instance_id=of_feed,
        source_value="'account' || n",
        outcome="CASE WHEN n %% 50 = 0 THEN 'failed' ELSE 'succeeded' END",
        fault="CASE WHEN n %% 50 = 0 THEN 'PROVIDER_ERROR' ELSE '' END",
        attempted_at=f"old.attempted_at - random() * {HOUR}",
        next_refresh_at=f"old.next_refresh_at + (random() - 0.6) * {HOUR}",
        last_read_at=f"old.last_read_at - random() * {HOUR}",
    )
    page = PageSighting.objects.create(instance_id=widget_of(0), host="x", last_seen_at=now)
    copy_row(page, feeds, instance_id=of_feed, host=f"'site' || (n %% {max(feeds // 5, 1)}) || '.example'")
    reads = DailyReads.objects.create(instance_id=widget_of(0), day=now.date(), reads=9)
    copy_row(reads, feeds, instance_id=of_feed)
    use = PictureUse.objects.create(
        feed_id=uuid_of(2, 0), item="1", url="https://x.example/1", wanted_since=now - timedelta(hours=2)
    )
    copy_row(use, max(feeds // 100, 1), feed_id=numbered_uuid(2))
    account = Connection.objects.create(
        workspace=home, login="instagram", account_id="1", username="x", obtained_at=now,
        state_changed_at=now, expires_at=now,
    )  # fmt: skip
    copy_row(
        account,
        workspaces,
        id=numbered_uuid(3),
        workspace_id=numbered_uuid(1),
        username="'owner' || n",
        account_id="n::text",
        state="CASE WHEN n %% 100 = 0 THEN 'reconnect_required' ELSE 'active' END",
        expires_at=f"old.expires_at + (n %% 60) * {DAY}",
    )
    link = ConnectionLink.objects.create(
        instance_id="x", connection_id=uuid_of(3, 0), workspace=home, linked_at=now
    )
    copy_row(
        link,
        workspaces,
        instance_id=f"'wgt_instagramfeed_u_' || lpad((n + {feeds - workspaces})::text, 20, '0')",
        connection_id=numbered_uuid(3),
        workspace_id=numbered_uuid(1),
    )
    usage = DailyUsage.objects.create(
        workspace=home, day=now.date(), feed_requests=9, automatic_refreshes=5, blocked_refreshes=1
    )
    copy_row(
        usage,
        workspaces * DAYS_OF_USAGE,
        workspace_id=numbered_uuid(1, f"n %% {workspaces}"),
        day=f"old.day - (n / {workspaces})::int",
    )
    units = QuotaWindow.objects.create(
        workspace=home, instance_id="x", source_type="profile", source_value="x", kind="day", starts_at=today,
        used=1,
    )  # fmt: skip
    copy_row(units, feeds, workspace_id=of_workspace, instance_id=of_feed, source_value="'account' || n")
    of_row = numbered_uuid(1, f"n %% {workspaces}")
    line = ForcedRefresh.objects.create(
        workspace=home, instance_id="x", source_type="profile", source_value="x", feed_id=uuid_of(2, 0), fence=1,
        username="person", reserved_at=now, settled_at=now, day_starts_at=today, hour_starts_at=today,
        state="succeeded",
    )  # fmt: skip
    copy_row(
        line,
        rows,
        workspace_id=of_row,
        instance_id=of_feed,
        source_value=f"'account' || (n %% {feeds})",
        feed_id=numbered_uuid(2, f"n %% {feeds}"),
        username=f"'person' || (n %% {workspaces})",
        reserved_at=f"old.reserved_at - n * ({DAY} * 90 / {rows})",
        settled_at=f"old.settled_at - n * ({DAY} * 90 / {rows})",
        state="CASE WHEN n %% 20 = 0 THEN 'failed' ELSE 'succeeded' END",
        fault="CASE WHEN n %% 20 = 0 THEN 'PROVIDER_ERROR' ELSE '' END",
    )
    event = AuditEvent.objects.create(
        at=now, workspace=home, actor="person", action="forced_refresh", outcome="done"
    )
    copy_row(
        event,
        rows,
        workspace_id=of_row,
        instance_id=of_feed,
        actor=f"'person' || (n %% {workspaces})",
        at=f"old.at - n * ({DAY} * 365 / {rows})",
        action="(ARRAY['forced_refresh', 'settings_changed', 'post_hidden', 'connected'])[n %% 4 + 1]",
        outcome="CASE WHEN n %% 20 = 0 THEN 'refused' ELSE 'done' END",
        reason="CASE WHEN n %% 20 = 0 THEN 'QUOTA_EXCEEDED' ELSE '' END",
    )
    with connection.cursor() as cursor:
        cursor.execute("RESET session_replication_role")
        cursor.execute("RESET synchronous_commit")
        cursor.execute("VACUUM (ANALYZE)")
        cursor.execute("CHECKPOINT")


def wait_for_turn() -> None:
    """Say that a round is over, and wait for the rounds of the processes with other numbers of feeds."""
    print("ready", flush=True)
    sys.stdin.readline()


# Measures -------------------------------------------------------------------------------------------------------------


class Measurer:
    """Measures, and keeps the SQL statements of each measure for the query plans."""

    def __init__(self, feeds: int, rounds: int, plans: bool, only: Sequence[str]) -> None:
        self.feeds = feeds
        self.only = only
        self.rounds = rounds
        self.plans = plans
        self.found: Measures = {}

    def wants(self, name: str) -> bool:
        return not self.only or any(name.startswith(word) for word in self.only)

    def measure(
        self,
        name: str,
        act: Callable[[], object],
        *,
        rounds: int | None = None,
        before: Callable[[], object] | None = None,
        after: Callable[[], object] | None = None,
    ) -> None:
        """The median time of `act` in milliseconds. `before` and `after` each round aren't timed."""
        from django.db import connection

        if not self.wants(name):
            return
        took = []
        statements: dict[str, tuple[Any, float]] = {}

        def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            began = time.perf_counter()
            result = execute(sql, params, many, context)
            statements.setdefault(sql, (params, time.perf_counter() - began))
            return result

        for turn in range((rounds or self.rounds) + 1):
            wait_for_turn()
            if before:
                before()
            gc.collect()
            if turn == 0:  # a first round, not counted: it also collects the statements
                with connection.execute_wrapper(keep):
                    act()
            else:
                began = time.perf_counter()
                act()
                took.append((time.perf_counter() - began) * 1_000)
            if after:
                after()
        self.found[f"{name}, ms"] = statistics.median(took)
        print(
            f"  {self.feeds:>9,} feeds  {name}: {statistics.median(took):.1f} ms", file=sys.stderr, flush=True
        )
        if self.plans:
            self.explain(name, statements)

    def explain(self, name: str, statements: dict[str, tuple[Any, float]]) -> None:
        """Write the plans of the statements. Each runs in a transaction that is rolled back."""
        from django.db import connection, transaction

        lines = [f"{name}, with {self.feeds:,} feeds", ""]
        for sql, (params, _) in statements.items():
            if sql.split()[0].strip("(") not in ("SELECT", "UPDATE", "INSERT", "DELETE", "WITH"):
                continue
            lines += [sql.replace("%s", "?"), ""]
            try:
                with transaction.atomic(), connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS) {sql}", params)
                    lines += [f"    {line}" for (line,) in cursor.fetchall()]
                    transaction.set_rollback(True)
            except Exception as error:  # noqa: BLE001 - a statement that can't be explained is no fault
                lines.append(f"    not explained: {type(error).__name__}")
            lines.append("")
        PLANS.mkdir(exist_ok=True)
        file = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
        (PLANS / f"{file}.txt").write_text("\n".join(lines).rstrip() + "\n")


def measure(
    feeds: int, rows: int, rounds: int, *, plans: bool, is_filled: bool, only: Sequence[str]
) -> Measures:
    import django

    django.setup()
    from django.conf import settings
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.db import connection

    from foundation import statements

    settings.PUBLIC_MODE_IG_USER_ID = settings.PUBLIC_MODE_ACCESS_TOKEN = "1"  # nothing is fetched
    logging.disable(logging.WARNING)
    now = datetime.now(UTC)
    measurer = Measurer(feeds, rounds, plans, only)
    with statements.limited_to(None):
        call_command("migrate", verbosity=0)
        began = time.monotonic()
        if not is_filled:
            fill(feeds, rows, now)
        seconds = time.monotonic() - began
        print(f"  {feeds:>9,} feeds, {rows:,} rows: filled in {seconds:.0f} s", file=sys.stderr, flush=True)
        measurer.found["ledger and audit rows, each"] = rows
        _claiming(measurer, now)
        _reading(measurer)
        boss, _ = User.objects.update_or_create(
            username="boss", defaults={"is_staff": True, "is_superuser": True}
        )
        _pages(measurer, boss)
        _sweeping(measurer, now)
        _changing_a_plan(measurer)
        _charging(measurer)
    connection.close()
    return measurer.found


def _claiming(measurer: Measurer, now: datetime) -> None:
    from django.db import connection

    from paris_integration.feeds import refreshing
    from paris_integration.models import Feed

    claimed: list[UUID] = []
    due = list(Feed.objects.order_by("next_refresh_at").values_list("pk", "next_refresh_at")[: 2 * CLAIMED])
    times = dict(due)

    def claim() -> None:
        claimed.clear()
        for _ in range(CLAIMED // CLAIM_BATCH):
            claimed.extend(refreshing.claim_due(now=now, limit=CLAIM_BATCH))
        assert len(set(claimed)) == CLAIMED

    def put_back() -> None:
        Feed.objects.bulk_update(
            [Feed(pk=pk, next_refresh_at=times[pk]) for pk in claimed], ["next_refresh_at"]
        )
        with connection.cursor() as cursor:
            cursor.execute("VACUUM paris_integration_feed")

    measurer.measure(f"Claiming {CLAIMED} due feeds", claim, after=put_back)


def _reading(measurer: Measurer) -> None:
    from django.core.cache import cache
    from django.utils import timezone

    from paris_integration import public as paris
    from paris_integration.feeds import fast_copy
    from paris_integration.models import Feed
    from paris_integration.types import Selection

    dice = random.Random(2)  # noqa: S311
    unlinked = measurer.feeds - max(measurer.feeds // FEEDS_PER_WORKSPACE, 1)
    numbers = dice.sample(range(unlinked), READS + 1)
    wanted = Feed.objects.filter(pk__in=[uuid_of(2, number) for number in numbers]).without_posts()
    keys = [row.key for row in wanted]
    now = timezone.now()
    Feed.objects.filter(pk__in=[row.pk for row in wanted]).update(fetched_at=now, last_read_at=now)

    def read() -> None:
        view = paris.read_feed(keys.pop(), Selection(max_posts=12), now=now)
        assert len(view.posts) == 12, view.warnings

    def empty() -> None:
        cache.clear()
        fast_copy.decode_posts.cache_clear()

    measurer.measure("A cold read", read, before=empty, rounds=READS)


def _pages(measurer: Measurer, boss: Any) -> None:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    staff, editor = Client(SERVER_NAME="localhost"), Client(SERVER_NAME="localhost")
    staff.force_login(boss)
    editor.force_login(User.objects.get(username="person0"))
    middle = measurer.feeds // 2
    find, audit = "/admin/venice_api/widgetinstance/find/?q=", "/admin/paris_integration/auditevent/"
    lists = "/admin/paris_integration/"
    for name, path in {
        "Desk: first page": "/admin/",
        "Desk: search by username": f"{find}account{middle}",
        "Desk: search by part of a name": f"{find}a87ff679a2",  # of number 4
        "Desk: search, nothing found": f"{find}there+is+no+such+shop",
        "Audit list": audit,
        "Audit list: last page": f"{audit}?p=last",
        "Audit list: refused": f"{audit}?outcome__exact=refused",
        "Audit list: an action without rows": f"{audit}?action__exact=purged",
        "Audit list: search by widget": f"{audit}?q={widget_of(middle)}",
        "Audit list: search by person": f"{audit}?q=person3",
        "Audit list: search, nothing found": f"{audit}?q=nobody",
        "List of refreshes": f"{lists}forcedrefresh/",
        "List of refreshes: search by widget": f"{lists}forcedrefresh/?q={widget_of(middle)}",
        "List of feeds": f"{lists}feed/",
        "List of feeds: search by username": f"{lists}feed/?q=account{middle}",
        "List of connections": f"{lists}connection/",
        "List of usage": f"{lists}dailyusage/",
        "List of widgets": "/admin/venice_api/widgetinstance/",
        "List of workspaces": "/admin/entitlements/workspace/",
    }.items():
        where = path
        if path.endswith("p=last") and measurer.wants(name):
            pages = re.findall(r"[?]p=(\d+)", staff.get(audit).content.decode())
            where = f"{audit}?p={max(map(int, pages))}"

        def show(where: str = where) -> None:
            answer = staff.get(where)
            assert answer.status_code == 200, answer.status_code

        measurer.measure(name, show)

    def list_widgets() -> None:
        answer = editor.get("/editor/")
        assert answer.status_code == 200
        assert answer.content.count(b"Wall ") >= LISTED_WIDGETS

    measurer.measure(f"Editor: list of {LISTED_WIDGETS} widgets", list_widgets)
    if not measurer.wants("Editor"):
        return
    with CaptureQueriesContext(connection) as queries:
        list_widgets()
    measurer.found[f"Editor: list of {LISTED_WIDGETS} widgets, queries"] = len(queries)


def _sweeping(measurer: Measurer, now: datetime) -> None:
    from paris_integration.models import AuditEvent
    from paris_integration.retention import expiry
    from venice_api import sightings

    def sweep() -> None:
        expiry.remove_expired(now=now)

    def age() -> None:
        newest = AuditEvent.objects.order_by("at").values("pk")[:EXPIRED]
        AuditEvent.objects.filter(pk__in=newest).update(at=now - timedelta(days=5_000))

    measurer.measure("Clean-up, nothing old", sweep)
    measurer.measure(f"Clean-up, {EXPIRED:,} old audit events", sweep, before=age, rounds=3)
    measurer.measure("Clean-up of sightings, nothing old", lambda: sightings.remove_old(now=now))


def _changing_a_plan(measurer: Measurer) -> None:
    """All workspaces are on one plan. Its change is the one measure here that may grow with them, as it names them."""
    from django.utils import timezone

    from entitlements.changes import Actor, set_plan_value
    from entitlements.models import Plan
    from paris_integration.feeds import rescheduling
    from paris_integration.models import LimitsChange

    plan, minutes = Plan.objects.get(key="business"), itertools.count(20)

    def change() -> None:
        set_plan_value(plan, "instagram.refresh.ttlMinutes.min", next(minutes), actor=Actor("benchmark"))

    def clear() -> None:
        LimitsChange.objects.all().delete()

    measurer.measure("Changing a plan of all workspaces", change, before=clear, rounds=3)
    if measurer.wants("Rescheduling"):
        clear()
        change()
    measurer.measure(
        f"Rescheduling the feeds of {rescheduling.WORKSPACES_AT_ONCE} workspaces",
        lambda: rescheduling.reschedule_next(now=timezone.now()),
    )


# Charging -------------------------------------------------------------------------------------------------------------


def _charging(measurer: Measurer) -> None:
    """Charges per second of eight processes, against a bare conditional UPDATE of one window.

    Each process charges one widget that no other process charges, fifty such widgets in as many workspaces, or the same
    widget as the others. Both ways commit each time and take turns on the same connections.
    """
    from django.db import connection

    if not measurer.wants("Charging"):
        return
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.scale", "--charge", str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for where, name in CHARGES.items():
        rates: dict[str, list[float]] = {"bare UPDATE": [], "ours": [], "ours under locks": []}
        for _ in range(measurer.rounds):
            for way in rates:
                wait_for_turn()
                rates[way].append(_rate(running, f"{where} {way}"))
        for way, found in rates.items():
            measurer.found[f"Charging, {name}: {way}, per second"] = statistics.median(found)
        # The two halves of a pair had the same other work beside them.
        ratio = statistics.median(
            ours / bare for ours, bare in zip(rates["ours"], rates["bare UPDATE"], strict=True)
        )
        measurer.found[f"Charging, {name}: ours to bare"] = ratio
        print(f"  charging, {name}: {rates}, {ratio:.2f}", file=sys.stderr, flush=True)
    for process in running:
        process.communicate()
    if measurer.plans:
        found = {}

        def keep(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
            found.setdefault(sql, (params, 0.0))
            return execute(sql, params, many, context)

        with connection.execute_wrapper(keep):
            _chargers([_charged(0)])["ours"]()
        measurer.explain("Charging a unit", found)


def _rate(running: list[subprocess.Popen[str]], order: str) -> float:
    """Charges per second of all processes together. They begin at the same time, when all are ready."""
    for line in (order, "go"):
        for process in running:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in running if process.stdout is not None]
    return sum(map(int, answers)) / CHARGE_SECONDS


def charge(number: int) -> None:
    """For each order: say that it is ready, charge until the time is over, and print how often."""
    import django

    django.setup()
    from paris_integration.models import Feed

    workspaces = max(Feed.objects.count() // FEEDS_PER_WORKSPACE, CHARGED_WORKSPACES)
    # A lease is of one process. So the processes charge the same widget for feeds of different modes.
    same = _charged(0)
    same.pk, same.mode = uuid_of(4, number), f"process {number}"
    same.save(force_insert=True)
    fifty = [_charged(number * workspaces + place) for place in range(CHARGED_WORKSPACES)]
    chargers = {
        "own": _chargers(fifty[number : number + 1]),
        "fifty": _chargers(fifty),
        "same": _chargers([same]),
    }
    for line in sys.stdin:
        where, way = line.strip().split(" ", 1)
        act, done = chargers[where][way], 0
        act()
        print("ready", flush=True)
        sys.stdin.readline()
        ends_at = time.monotonic() + CHARGE_SECONDS
        while time.monotonic() < ends_at:
            act()
            done += 1
        print(done, flush=True)


def _charged(number: int) -> Any:
    from paris_integration.models import Feed

    return Feed.objects.get(pk=uuid_of(2, number))


def _chargers(feeds: Sequence[Any]) -> dict[str, Callable[[], object]]:
    """Functions that charge the next of these feeds. Each lease ends at once, so that the feed can be charged again."""
    from django.db import connection, transaction

    from entitlements.limits import fresh_limits_for
    from paris_integration.feeds import lease
    from paris_integration.models import QuotaWindow
    from paris_integration.quota import charging, ledger
    from paris_integration.types import Actor

    turns = itertools.cycle(feeds)
    now = datetime.now(UTC)
    limits = {feed.pk: fresh_limits_for(feed.workspace_id, now=now) for feed in feeds}
    windows = {
        feed.pk: QuotaWindow.objects.get(instance_id=feed.instance_id, kind="day", starts_at__lte=now)
        for feed in feeds
    }
    states = {feed.pk: feed.state_at(now) for feed in feeds}
    person, at_once = Actor(7, "editor"), timedelta(0)

    def bare() -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE paris_integration_quotawindow SET used = used + 1 WHERE id = %s AND used < 1000000000",
                [windows[next(turns).pk].pk],
            )
            assert cursor.rowcount == 1

    def ours() -> None:
        feed = next(turns)
        seen_at = datetime.now(UTC)
        taken = charging.take_and_charge(
            feed, limits[feed.pk], seen_at=seen_at, lasts=at_once, actor=person, idempotency_key=None
        )
        assert taken is not None
        feed.fence += 1

    def under_locks() -> None:
        feed = next(turns)
        with transaction.atomic():
            held = lease.acquire(feed.pk, seen_fence=feed.fence, lasts=at_once)
            assert held is not None
            seen_at = datetime.now(UTC)
            line = ledger.reserve(
                feed.key, states[feed.pk], held, seen_at=seen_at, actor=person, idempotency_key=None
            )
            assert line is not None
        feed.fence += 1

    return {"bare UPDATE": bare, "ours": ours, "ours under locks": under_locks}


# The command ----------------------------------------------------------------------------------------------------------


def table(results: dict[int, Measures]) -> str:
    sizes = sorted(results)
    heads = ["measure", *(f"{size:,} feeds" for size in sizes), "last to first"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(sizes) + 1)}"]
    for name in results[sizes[0]]:
        values = [results[size][name] for size in sizes]
        ratio = f"{values[-1] / values[0]:.2f}" if values[0] and name.endswith(", ms") else ""
        shown = [f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in values]
        lines.append(f"| {name} | {' | '.join(shown)} | {ratio} |")
    return "\n".join(lines)


@contextmanager
def _started(feeds: int, url: str, arguments: argparse.Namespace) -> Iterator[subprocess.Popen[str]]:
    """A process that fills the database and waits for its first turn."""
    command = [
        sys.executable, "-m", "benchmarks.scale", "--one", "--feeds", str(feeds),
        "--rows", str(arguments.rows), "--rounds", str(arguments.rounds),
        *(["--plans"] if arguments.plans and feeds == max(arguments.feeds) else []),
        *(["--filled", url] if arguments.filled else []),
        *(["--only", *arguments.only] if arguments.only else []),
    ]  # fmt: skip
    process = subprocess.Popen(
        command,
        env={**os.environ, "DATABASE_URL": url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _expect(process)
        yield process
    finally:
        process.kill()
        process.wait()


def _expect(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the process has ended"
    return line


def _alternating(running: dict[int, subprocess.Popen[str]]) -> dict[int, Measures]:
    """Run one round of each process in turn, so that other work on the machine slows all of them equally."""
    results: dict[int, Measures] = {}
    while len(results) < len(running):
        for feeds, process in running.items():
            if feeds in results:
                continue
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
            line = _expect(process)
            if line != "ready\n":
                results[feeds] = json.loads(line)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--feeds", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--rows", type=int, default=ROWS_PER_FEED, help="ledger and audit rows per feed")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument(
        "--plans", action="store_true", help="write the plans of the largest to benchmarks/plans/"
    )
    parser.add_argument("--only", nargs="+", metavar="NAME", help="measures whose names begin like this")
    parser.add_argument(
        "--filled", nargs="+", metavar="URL", help="databases filled before, instead of new ones"
    )
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--charge", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    if arguments.charge is not None:
        charge(arguments.charge)
        return
    if arguments.one:
        feeds = arguments.feeds[0]
        rows = min(feeds * arguments.rows, MOST_ROWS)
        found = measure(
            feeds,
            rows,
            arguments.rounds,
            plans=arguments.plans,
            is_filled=bool(arguments.filled),
            only=arguments.only or (),
        )
        print(json.dumps(found))
        return
    with ExitStack() as stack:
        running = {}
        for number, feeds in enumerate(arguments.feeds):
            # Each size has a separate process and database.
            if arguments.filled:
                url = arguments.filled[number]
            else:
                url = stack.enter_context(fresh_database(os.environ["DATABASE_URL"]))
            running[feeds] = stack.enter_context(_started(feeds, url, arguments))
        results = _alternating(running)
    print(table(results))


if __name__ == "__main__":
    main()
