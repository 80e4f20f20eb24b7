"""Concurrent charges on PostgreSQL: row locks and conditional writes."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.db.models import QuerySet

from entitlements.changes import Actor as Changer
from entitlements.changes import set_override
from entitlements.models import Plan, Workspace
from paris_integration import clock
from paris_integration.errors import PreviewBudgetSpent, RefreshRefused, StoreUnavailable
from paris_integration.feeds import previews
from paris_integration.feeds.lease import Lease
from paris_integration.models import AuditEvent, Feed, ForcedRefresh, PreviewWindow, QuotaWindow
from paris_integration.quota import ledger
from paris_integration.types import Actor, FeedKey, FeedState, Source, SourceType
from tests.marks import needs_postgres
from tests.processes.service import wait_until

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
EDITOR = Actor(7, "editor")
plans: Any = import_module("entitlements.migrations.0002_plans")

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]
Charge = Callable[[], ForcedRefresh | None]


@pytest.fixture
def key(transactional_db: None) -> FeedKey:
    plans.create_plans(apps, None)  # a test before this one may have emptied the tables
    workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="business"))
    set_override(workspace, "instagram.refresh.forcePerDay.max", 2, actor=Changer("test"))
    return FeedKey(workspace.pk, "wgt_1", Source(SourceType.PROFILE, "acme.bakery"))


@pytest.fixture
def charge(key: FeedKey) -> Charge:
    """Charge one of the day's two units for a flight of the feed. Returns the ledger line."""
    feed = Feed.objects.create(
        workspace_id=key.workspace_id, instance_id="wgt_1", source_type="profile", source_value="acme.bakery",
        mode="public",
    )  # fmt: skip

    @transaction.atomic
    def reserve() -> ForcedRefresh | None:
        state, seen_at = FeedState(None, None, 0.0), clock.database_now()
        held = Lease(feed.pk, 1)
        return ledger.reserve(key, state, held, seen_at=seen_at, actor=EDITOR, idempotency_key=None)

    return reserve


def used() -> set[int]:
    """The used units of day and hour, as a set: one number when both are equal."""
    return set(QuotaWindow.objects.values_list("used", flat=True))


def beside(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Future[Any]:
    """Start `work` in another thread. Returns when it is done or waits for the current transaction."""

    def run() -> Any:
        try:
            return work()
        finally:
            connection.close()

    other = pool.submit(run)
    wait_until(lambda: other.done() or another_thread_waits_for_us(), 10)
    return other


def another_thread_waits_for_us() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT 1 FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'"
            " AND transactionid::text = pg_current_xact_id()::text)"
        )
        return bool(cursor.fetchone()[0])


@pytest.fixture
def other_charges(monkeypatch: pytest.MonkeyPatch, charge: Charge) -> Any:
    """Start another charge after the next one has read the book and before it writes. Yields its outcome."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        others: list[Future[int | None]] = []
        grants_for = ledger.fresh_grants_for

        def let_another_begin(*args: Any) -> Any:
            monkeypatch.setattr(ledger, "fresh_grants_for", grants_for)
            others.append(beside(pool, charge))
            return grants_for(*args)

        monkeypatch.setattr(ledger, "fresh_grants_for", let_another_begin)
        yield others


def test_a_charge_waits_for_an_earlier_charge(key: FeedKey, charge: Charge, other_charges: Any) -> None:
    QuotaWindow.objects.bulk_create(windows(key, used=0))

    assert charge() is not None

    assert other_charges[0].result() is not None
    assert (used(), ForcedRefresh.objects.count()) == ({2}, 2)


def test_of_two_charges_for_the_last_unit_the_second_is_refused(
    key: FeedKey, charge: Charge, other_charges: Any
) -> None:
    QuotaWindow.objects.bulk_create(windows(key, used=1))

    assert charge() is not None

    assert isinstance(other_charges[0].exception(), RefreshRefused)
    assert (used(), ForcedRefresh.objects.count()) == ({2}, 1)


def test_without_row_locks_a_charge_based_on_an_outdated_book_is_refused(
    key: FeedKey, charge: Charge, other_charges: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    QuotaWindow.objects.bulk_create(windows(key, used=1))
    monkeypatch.setattr(QuerySet, "select_for_update", lambda rows, **_: rows)

    with pytest.raises(StoreUnavailable):
        charge()

    assert other_charges[0].result() is not None
    assert (used(), ForcedRefresh.objects.count()) == ({2}, 1)


def test_of_two_previews_for_the_last_place_one_is_refused(key: FeedKey, settings: Any) -> None:
    settings.PREVIEW_FETCHES_PER_HOUR = 2

    def preview() -> None:
        previews.charge(key.workspace_id, now=NOW)

    preview()
    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            preview()
            other = beside(pool, preview)

        assert isinstance(other.exception(), PreviewBudgetSpent)
    assert PreviewWindow.objects.get().used == 2


def windows(key: FeedKey, *, used: int) -> list[QuotaWindow]:
    hour = NOW.replace(minute=0)
    starts = {"day": hour.replace(hour=0), "hour": hour}
    return [
        QuotaWindow(
            workspace_id=key.workspace_id, instance_id=key.instance_id, source_type="profile",
            source_value=key.source.value, kind=kind, starts_at=starts_at, used=used,
        )
        for kind, starts_at in starts.items()
    ]  # fmt: skip


def settle_twice(line: ForcedRefresh | None, first: Any, second: Any) -> bool:
    """Settle the line while another thread settles it, too. Returns whether that one succeeded."""
    assert line is not None
    with ThreadPoolExecutor(max_workers=1) as pool:
        with transaction.atomic():
            assert ledger.settle(line, first, fault="PROVIDER_UNAVAILABLE")
            other = beside(pool, lambda: ledger.settle(line, second, fault="PROVIDER_ERROR"))
        settled: bool = other.result()
        return settled


def test_a_line_is_settled_once(charge: Charge) -> None:
    charge()

    assert settle_twice(charge(), ledger.State.FAILED, ledger.State.FAILED) is False

    assert used() == {1}, "the unit was given back once"
    assert ForcedRefresh.objects.filter(state="failed", fault="PROVIDER_UNAVAILABLE").count() == 1
    assert AuditEvent.objects.count() == 1


def test_a_line_settled_as_in_doubt_returns_no_unit(charge: Charge) -> None:
    assert settle_twice(charge(), ledger.State.IN_DOUBT, ledger.State.FAILED) is False

    assert used() == {1}
    assert ForcedRefresh.objects.get().state == "in_doubt"
