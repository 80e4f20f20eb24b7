"""Admin lists of large tables: what they find, and that no page of them reads a whole table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Q
from django.test import Client
from django.test.utils import CaptureQueriesContext

from entitlements.models import Plan, Workspace
from foundation import large_lists
from paris_integration.models import AuditEvent, Connection, ConnectionLink, DailyUsage, Feed, ForcedRefresh
from tests.marks import needs_postgres
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
LISTS = "/admin/paris_integration/"
AUDIT, LEDGER, USAGE = f"{LISTS}auditevent/", f"{LISTS}forcedrefresh/", f"{LISTS}dailyusage/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(db: None) -> Workspace:
    return Workspace.objects.create(name="Acme Bakery", plan=Plan.objects.order_by("rank")[0])


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_lists, "MOST_LISTED", 3)
    monkeypatch.setattr(large_lists.LargeList, "list_per_page", 2)


@pytest.fixture
def event(acme: Workspace) -> Callable[..., AuditEvent]:
    """An event so many days ago."""

    def make(days_ago: int, **values: Any) -> AuditEvent:
        given = {"workspace": acme, "actor": "ed", "action": "purged", "outcome": "done"} | values
        return AuditEvent.objects.create(at=NOW - timedelta(days=days_ago), **given)

    return make


def shown(client: Client, where: str) -> list[Any]:
    answer = client.get(where)
    assert answer.status_code == 200
    return list(answer.context["cl"].result_list)


def test_a_list_shows_the_newest_rows(
    admin_client: Client, event: Callable[..., AuditEvent], few: None
) -> None:
    events = [event(days) for days in range(5)]
    before = (NOW - timedelta(days=2)).isoformat().replace("+", "%2B")

    assert shown(admin_client, AUDIT) == events[:2]
    assert shown(admin_client, f"{AUDIT}?p=2") == events[2:3]
    assert admin_client.get(f"{AUDIT}?p=3").status_code == 302
    assert shown(admin_client, f"{AUDIT}?at__lt={before}") == events[3:]


def test_old_rows_are_found_by_what_has_an_index(
    admin_client: Client, event: Callable[..., AuditEvent], few: None, acme: Workspace
) -> None:
    old = event(900, instance_id="wgt_1", actor="sue", note="asked by mail")
    for days in range(4):
        event(days, workspace=None, note="asked by phone")

    for words in ("wgt_1", "sue", "acme", str(acme.pk), str(acme.pk).upper()):
        assert shown(admin_client, f"{AUDIT}?q={words}") == [old], words
    assert len(shown(admin_client, f"{AUDIT}?q=phone")) == 2  # part of a note: in the newest rows only
    for words in ("mail", "wgt_2", "9" * 300):
        assert old not in shown(admin_client, f"{AUDIT}?q={words}"), words


def test_a_search_and_a_filter_hold_together(admin_client: Client, event: Callable[..., AuditEvent]) -> None:
    event(1, instance_id="wgt_1")
    refused = event(2, instance_id="wgt_1", outcome="refused", reason="QUOTA_EXCEEDED")

    assert shown(admin_client, f"{AUDIT}?q=wgt_1&outcome__exact=refused") == [refused]
    assert shown(admin_client, f"{AUDIT}?q=wgt_1&reason=QUOTA_EXCEEDED") == [refused]


def test_the_filter_offers_the_values_there_are(
    admin_client: Client, event: Callable[..., AuditEvent]
) -> None:
    for reason in ("", "TTL_NOT_ELAPSED", "JOINED", "JOINED"):
        event(1, reason=reason)

    assert large_lists.values_of(AuditEvent, "reason") == ["JOINED", "TTL_NOT_ELAPSED"]
    page = admin_client.get(AUDIT).content.decode()
    assert "?reason=JOINED" in page
    assert "none" in page


def test_a_connection_with_several_widgets_is_found_once(admin_client: Client, acme: Workspace) -> None:
    row = Connection.objects.create(
        workspace=acme, login="instagram", account_id="77", username="acme.bakery", obtained_at=NOW,
        state_changed_at=NOW,
    )  # fmt: skip
    for name in ("wgt_1", "wgt_2"):
        ConnectionLink.objects.create(instance_id=name, connection=row, linked_at=NOW)

    for words in ("acme.bakery", "@acme.bakery", "77", "wgt_2", "acme"):
        assert shown(admin_client, f"{LISTS}connection/?q={words}") == [row], words
    for words in ("wgt_3", "acme.bak"):
        assert shown(admin_client, f"{LISTS}connection/?q={words}") == [], words


def test_widgets_are_found_by_the_whole_source_and_part_of_a_name(
    admin_client: Client, acme: Workspace
) -> None:
    first = WidgetInstance.objects.create(workspace=acme, name="Home page", source_value="acme.bakery")
    other = WidgetInstance.objects.create(workspace=acme, name="Shop", source_value="acme.cakes")

    for words, found in (
        ("@acme.bakery", {first}),
        ("OME", {first}),
        ("acme", {first, other}),
        (other.pk, {other}),
    ):
        assert set(shown(admin_client, f"/admin/venice_api/widgetinstance/?q={words}")) == found, words


def test_totals_are_left_out_for_too_many_rows(admin_client: Client, acme: Workspace, few: None) -> None:
    for ago in range(4):
        DailyUsage.objects.create(workspace=acme, day=NOW.date() - timedelta(days=ago), feed_requests=7)

    assert "Filter or search to see totals" in admin_client.get(USAGE).content.decode()
    page = admin_client.get(f"{USAGE}?day__gte={NOW.date() - timedelta(days=1)}").content.decode()
    assert "Total: 14 feed requests" in page


@pytest.mark.parametrize(
    "where", [AUDIT, LEDGER, USAGE, f"{LISTS}feed/", "/admin/venice_api/widgetinstance/"]
)
def test_counting_stops(admin_client: Client, where: str) -> None:
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(where)
    counts = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert len(counts) == 1
    assert f"LIMIT {large_lists.MOST_LISTED}" in counts[0]
    assert len(queries) <= 9


@pytest.mark.parametrize("where", [AUDIT, LEDGER])
def test_people_without_the_right_get_no_list(client: Client, where: str) -> None:
    client.force_login(User.objects.create_user("plain", is_staff=True))
    assert client.get(f"{where}?q=wgt_1").status_code == 403
    client.logout()
    assert client.get(f"{where}?q=wgt_1").status_code == 302


@needs_postgres
@pytest.mark.parametrize(
    ("rows", "index"),
    [
        (AuditEvent.objects.order_by("-at", "-id"), "audit_age"),
        (AuditEvent.objects.filter(action="purged").order_by("-at", "-id"), "audit_by_action"),
        (AuditEvent.objects.filter(actor="ed").order_by("-at", "-id"), "audit_by_actor"),
        (AuditEvent.objects.filter(outcome="failed").order_by("-at", "-id"), "audit_not_done"),
        (AuditEvent.objects.filter(reason="JOINED").order_by("-at", "-id"), "audit_by_reason"),
        (ForcedRefresh.objects.order_by("-reserved_at", "-id"), "forced_by_time"),
        (ForcedRefresh.objects.filter(instance_id="w").order_by("-reserved_at"), "forced_by_instance"),
        (ForcedRefresh.objects.filter(fault="X").order_by("-reserved_at"), "forced_by_fault"),
        (ForcedRefresh.objects.filter(state="in_doubt"), "forced_in_doubt"),
        (DailyUsage.objects.order_by("-day", "-workspace_id"), "daily_usage_by_day"),
        (DailyUsage.objects.filter(day__lt=NOW.date()), "daily_usage_by_day"),
        (Feed.objects.order_by("-last_read_at", "-created_at", "-id"), "feed_unread"),
        (
            Feed.objects.filter(Q(last_read_at__lt=NOW) | Q(last_read_at__isnull=True, created_at__lt=NOW)),
            "feed_unread",
        ),
        (Workspace.objects.filter(name__icontains="bakery").order_by(), "workspace_name_parts"),
        (WidgetInstance.objects.filter(name__icontains="bakery"), "instance_name_parts"),
    ],
)
def test_an_index_serves_each_list(rows: Any, index: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")  # the table is empty
        cursor.execute("SET LOCAL enable_sort = off")
    assert index in rows[:100].explain()
