"""Concurrent charges in one statement on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction

from entitlements.changes import Actor as Changer
from entitlements.changes import set_override
from entitlements.limits import fresh_limits_for
from entitlements.models import Plan, Workspace
from paris_integration import clock
from paris_integration.feeds import refreshing
from paris_integration.models import Feed, ForcedRefresh, QuotaWindow
from paris_integration.quota import charging, ledger
from paris_integration.quota.allowance import HOUR, WindowKind
from paris_integration.types import Actor
from tests.databases import wait_for_room_in_the_hour
from tests.marks import needs_postgres
from tests.races.test_books import beside, used

EDITOR = Actor(7, "editor")
CAP = 3
plans: Any = import_module("entitlements.migrations.0002_plans")

pytestmark = [needs_postgres, pytest.mark.django_db(transaction=True)]
Charge = Callable[[Feed], Any]


@pytest.fixture(params=["forcePerDay"])
def limited(request: pytest.FixtureRequest) -> str:
    """Which window has CAP units. The other one has more."""
    return str(request.param)


@pytest.fixture
def workspace(transactional_db: None, limited: str) -> Workspace:
    plans.create_plans(apps, None)  # a test before this one may have emptied the tables
    workspace = Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="business"))
    set_override(workspace, f"instagram.refresh.{limited}.max", CAP, actor=Changer("test"))
    return workspace


@pytest.fixture
def feeds(workspace: Workspace) -> list[Feed]:
    """Eight feeds of one widget, which share its units. Only two such modes exist."""
    return [
        Feed.objects.create(
            workspace=workspace, instance_id="wgt_1", source_type="profile", source_value="acme", mode=f"mode {n}"
        )
        for n in range(8)
    ]  # fmt: skip


@pytest.fixture
def charge(workspace: Workspace) -> Charge:
    """Charge a unit for a flight of the feed, by what was read before the test began."""
    wait_for_room_in_the_hour()
    seen_at = clock.database_now()
    limits = fresh_limits_for(workspace.pk, now=seen_at)

    def take(feed: Feed) -> Any:
        return charging.take_and_charge(
            feed, limits, seen_at=seen_at, lasts=refreshing.lease_lasts(), actor=EDITOR, idempotency_key=None
        )

    return take


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        yield pool


def flights() -> list[tuple[int, bool]]:
    """Fence and lease of all feeds with one."""
    rows = Feed.objects.exclude(fence=0).values_list("fence", "lease_expires_at")
    return [(fence, ends_at is not None) for fence, ends_at in rows]


@pytest.mark.parametrize("limited", ["forcePerDay", "forcePerHour"], indirect=True)
def test_charges_at_once_take_exactly_the_units_that_are_left(
    feeds: list[Feed], charge: Charge, pool: ThreadPoolExecutor
) -> None:
    def in_thread(feed: Feed) -> Any:
        try:
            return charge(feed)
        finally:
            connection.close()

    taken = [result for result in pool.map(in_thread, feeds) if result is not None]

    assert len(taken) == CAP
    assert used() == {CAP}
    assert ForcedRefresh.objects.count() == CAP
    assert flights() == [(1, True)] * CAP, "a charge that failed took no lease"


def test_of_two_charges_for_one_flight_the_second_waits_and_writes_nothing(
    feeds: list[Feed], charge: Charge, pool: ThreadPoolExecutor
) -> None:
    with transaction.atomic():
        assert charge(feeds[0]) is not None
        other = beside(pool, lambda: charge(feeds[0]))

        assert not other.done()
    assert other.result() is None
    assert (used(), flights()) == ({1}, [(1, True)])


def test_nothing_is_charged_after_another_flight_has_begun_and_ended(
    feeds: list[Feed], charge: Charge
) -> None:
    Feed.objects.filter(pk=feeds[0].pk).update(fence=1)

    assert charge(feeds[0]) is None
    assert not QuotaWindow.objects.exists()


def test_a_charge_sees_the_unit_taken_while_it_waited(
    feeds: list[Feed], charge: Charge, pool: ThreadPoolExecutor
) -> None:
    for feed in feeds[: CAP - 1]:
        assert charge(feed) is not None
    with transaction.atomic():
        assert charge(feeds[CAP - 1]) is not None
        other = beside(pool, lambda: charge(feeds[CAP]))

        assert not other.done()
    assert other.result() is None
    assert (used(), ForcedRefresh.objects.count()) == ({CAP}, CAP)


def test_a_charge_sees_the_plan_changed_while_it_waited(
    workspace: Workspace, feeds: list[Feed], charge: Charge, pool: ThreadPoolExecutor
) -> None:
    with transaction.atomic():
        ledger.grant(feeds[0].key, 1, actor=EDITOR, note="")  # locks the windows
        other = beside(pool, lambda: charge(feeds[0]))
        set_override(workspace, "instagram.refresh.forcePerDay.max", 0, actor=Changer("test"))

        assert not other.done()
    assert other.result() is None
    assert (used(), flights()) == ({0}, [])


@pytest.fixture
def adjustable_clock(transactional_db: None) -> Iterator[Callable[[str], None]]:
    """Sets the database's clock, for sessions that look for functions in `test_clock` first. SQL, evaluated now."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE SCHEMA test_clock; CREATE TABLE test_clock.now AS SELECT clock_timestamp() AS at"
        )
        cursor.execute(
            "CREATE FUNCTION test_clock.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql"
            " AS 'SELECT at FROM test_clock.now'"
        )

    def move_to(moment: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE test_clock.now SET at = %s::timestamptz", [moment])

    yield move_to
    with connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA test_clock CASCADE")


@pytest.mark.parametrize("crosses", [False, True])
def test_the_clock_is_read_after_the_wait_for_the_windows(
    feeds: list[Feed],
    charge: Charge,
    pool: ThreadPoolExecutor,
    adjustable_clock: Callable[[str], None],
    crosses: bool,
) -> None:
    hour = WindowKind.HOUR.start_of(clock.database_now())

    def charge_by_that_clock() -> Any:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL search_path = test_clock, pg_catalog, public")
            return charge(feeds[1])

    adjustable_clock(hour.isoformat())
    with transaction.atomic():
        assert charge(feeds[0]) is not None
        other = beside(pool, charge_by_that_clock)
        assert not other.done()
        if crosses:
            adjustable_clock((hour + HOUR).isoformat())
    taken = other.result()

    assert (taken is None) is crosses
    assert used() == {1 if crosses else 2}
    if taken is not None:
        assert taken[1].reserved_at == hour


def test_a_charge_whose_workspace_is_deleted_meanwhile_leaves_nothing(
    workspace: Workspace, feeds: list[Feed], charge: Charge
) -> None:
    workspace.delete()

    assert charge(feeds[0]) is None
    assert QuotaWindow.objects.count() == 0
