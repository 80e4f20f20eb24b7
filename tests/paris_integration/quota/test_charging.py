"""The charge in one statement against the charge under locks, in random states: both write the same, or nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entitlements.limits import fresh_limits_for
from entitlements.models import EntitlementOverride, Plan, PlanEntitlement, Workspace
from foundation.faults import is_store_fault
from paris_integration import clock
from paris_integration.errors import RefreshRefused
from paris_integration.feeds import lease
from paris_integration.feeds.lease import Lease
from paris_integration.models import Feed, ForcedRefresh, QuotaWindow, RefreshReceipt
from paris_integration.quota import charging, ledger
from paris_integration.quota.allowance import HOUR, WindowKind
from paris_integration.types import Actor, SourceType
from tests.databases import wait_for_room_in_the_hour
from tests.marks import needs_postgres

pytestmark = [needs_postgres, pytest.mark.django_db]

DAY_KEY = "instagram.refresh.forcePerDay.max"
HOUR_KEY = "instagram.refresh.forcePerHour.max"
ENABLED_KEYS = {"profile": "instagram.profile.enabled", "hashtag": "instagram.hashtag.enabled"}
EDITOR = Actor(7, "editor")
LASTS = timedelta(seconds=20)
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOBODY = Actor(None, "")

caps = st.one_of(st.none(), st.integers(0, 3), st.integers(1, 6))
# Values by key, and when an override ends. The text is a value that another release might have stored.
values = st.one_of(
    st.tuples(st.sampled_from([DAY_KEY, HOUR_KEY]), st.one_of(caps, caps, st.just("many"))),
    st.tuples(st.sampled_from(list(ENABLED_KEYS.values())), st.booleans()),
)
overrides = st.lists(
    st.tuples(values, st.sampled_from([None, None, MINUTE, -MINUTE])), max_size=2, unique_by=lambda o: o[0][0]
)


@dataclass(frozen=True)
class State:
    """What is stored when the caller looks (`plan`, `overrides`), and what at the charge.

    `windows`: used and granted units of the day and the hour; None: there is no such row yet. `flight`: the rise of the
    fence since the look, and when the lease ends. `receipt`: the age of one with the same key.
    """

    source: SourceType
    plan: dict[str, Any]
    overrides: list[Any]
    windows: dict[str, tuple[int, int] | None]
    later_plan: list[Any]
    later_overrides: list[Any]
    flight: tuple[int, timedelta | None]
    actor: Actor
    key: str | None
    receipt: timedelta | None

    @property
    def is_usual(self) -> bool:
        """Whether one statement must be enough if a unit is charged."""
        stored = [*self.overrides, *self.later_overrides]
        return (
            not self.later_plan
            and not self.later_overrides
            and all(value != "many" for (_, value), _ in stored)
            and self.receipt is None
        )


tallies = st.one_of(st.none(), st.tuples(st.integers(0, 4), st.sampled_from([0, 0, 1, 5])))
states = st.builds(
    State,
    source=st.sampled_from([*[SourceType.PROFILE] * 3, SourceType.HASHTAG]),
    plan=st.fixed_dictionaries(
        {
            DAY_KEY: caps,
            HOUR_KEY: caps,
            ENABLED_KEYS["profile"]: st.sampled_from([True, True, True, True, False]),
            ENABLED_KEYS["hashtag"]: st.booleans(),
        }
    ),
    overrides=overrides,
    windows=st.fixed_dictionaries({"day": tallies, "hour": tallies}),
    later_plan=st.one_of(st.just([]), st.just([]), st.lists(values, max_size=1)),
    later_overrides=st.one_of(st.just([]), st.just([]), overrides),
    flight=st.one_of(
        st.just((0, None)),
        st.just((0, None)),
        st.tuples(
            st.sampled_from([0, 0, 1]),
            st.sampled_from(
                [None, -SECOND, MINUTE, clock.LEASE_CEILING - MINUTE, clock.LEASE_CEILING + MINUTE]
            ),
        ),
    ),
    actor=st.sampled_from([EDITOR, EDITOR, NOBODY]),
    key=st.sampled_from([None, "click-1"]),
    receipt=st.sampled_from([None, None, None, MINUTE, timedelta(hours=25), timedelta(hours=25)]),
)


def under_locks(row: Feed, seen_at: datetime, state: State) -> tuple[Lease, ForcedRefresh | None] | None:
    """What `quota.forcing` does when the statement has written nothing."""
    try:
        with transaction.atomic():
            held = lease.acquire(row.pk, seen_fence=row.fence, lasts=LASTS)
            if held is None:
                return None
            feed_state = row.state_at(seen_at)
            return held, ledger.reserve(
                row.key, feed_state, held, seen_at=seen_at, actor=state.actor, idempotency_key=state.key
            )
    except (RefreshRefused, IntegrityError):
        return None


def stored(row: Feed) -> dict[str, Any]:
    """All that a charge may write, but for keys and times that differ anyway."""
    row.refresh_from_db()
    mine = {"workspace_id": row.workspace_id, "instance_id": row.instance_id}
    windows = QuotaWindow.objects.filter(**mine).order_by("kind")
    lines = ForcedRefresh.objects.filter(**mine)
    left_out = ("id", "reserved_at")
    return {
        "feed": (row.fence, row.lease_expires_at is not None),
        # A row without units is the same as no row.
        "windows": [row for row in windows.values_list("kind", "starts_at", "used", "granted") if row[2] + row[3]],
        "lines": [{k: v for k, v in line.items() if k not in left_out} for line in lines.values()],
        "receipts": [
            (receipt.key, receipt.user_id, receipt.forced_refresh_id is not None)
            for receipt in RefreshReceipt.objects.filter(instance_id=row.instance_id)
        ],
    }  # fmt: skip


def set_up(state: State) -> Feed:
    plan = Plan.objects.create(key="random", name="Random", rank=900)
    PlanEntitlement.objects.bulk_create(
        PlanEntitlement(plan=plan, key=k, value=v) for k, v in state.plan.items()
    )
    workspace = Workspace.objects.create(name="Random", plan=plan)
    return Feed.objects.create(
        workspace=workspace, instance_id="wgt_random", source_type=state.source.value, source_value="acme",
        mode="public", fence=5,
    )  # fmt: skip


def override(row: Feed, changes: list[Any], now: datetime) -> None:
    for (key, value), lasts in changes:
        EntitlementOverride.objects.update_or_create(
            workspace_id=row.workspace_id,
            key=key,
            defaults={"value": value, "ends_at": None if lasts is None else now + lasts},
        )


def time_passes(state: State, row: Feed, now: datetime) -> None:
    """What happens between the caller's look and the charge."""
    plan = row.workspace.plan
    for key, value in state.later_plan:
        PlanEntitlement.objects.filter(plan=plan, key=key).update(value=value)
    override(row, state.later_overrides, now)
    for kind, tally in state.windows.items():
        if tally is not None:
            used, granted = tally
            QuotaWindow.objects.create(
                **row.key.columns,
                kind=kind,
                starts_at=WindowKind(kind).start_of(now),
                used=used,
                granted=granted,
            )
    rise, ends_in = state.flight
    Feed.objects.filter(pk=row.pk).update(
        fence=5 + rise, lease_expires_at=None if ends_in is None else now + ends_in
    )
    if state.receipt is not None:
        RefreshReceipt.objects.create(
            user_id=EDITOR.user_id, instance_id=row.instance_id, key="click-1", created_at=now - state.receipt
        )


def outcome_of(charge: Callable[[], Any], row: Feed) -> tuple[Any, dict[str, Any]]:
    """The result of the charge and what is stored then. Leaves nothing behind."""
    with transaction.atomic():
        result = charge()
        found = stored(row)
        transaction.set_rollback(True)
    return result, found


@pytest.mark.slow
def test_one_statement_charges_what_the_charge_under_locks_would() -> None:
    seen: dict[str, int] = {"charged": 0, "left to the locks": 0, "refused": 0}

    @settings(max_examples=120, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(state=states)
    def check(state: State) -> None:
        with transaction.atomic():
            wait_for_room_in_the_hour()
            row = set_up(state)
            now = clock.database_now()
            override(row, state.overrides, now)
            limits = fresh_limits_for(row.workspace_id, now=now)
            looked = Feed.objects.get(pk=row.pk)
            time_passes(state, row, now)
            before = stored(row)

            taken, by_statement = outcome_of(
                lambda: charging.take_and_charge(
                    looked, limits, seen_at=now, lasts=LASTS, actor=state.actor, idempotency_key=state.key
                ),
                row,
            )
            charged, by_locks = outcome_of(lambda: under_locks(looked, now, state), row)

            if taken is None:
                assert by_statement == before
                costs_unit = charged is not None and charged[1] is not None
                # Staff's units in a plan without any, and odd states, are left to the locks.
                assert not (costs_unit and state.is_usual and limits.force_per_day_max != 0)
                seen["left to the locks" if costs_unit else "refused"] += 1
            else:
                assert charged is not None
                assert by_statement == by_locks
                assert by_statement != before
                assert taken[0] == charged[0]
                assert same_line(taken[1], charged[1])
                seen["charged"] += 1
            transaction.set_rollback(True)

    check()
    assert min(seen.values()) >= 5, f"too few of one kind to mean anything: {seen}"


def same_line(one: ForcedRefresh, other: ForcedRefresh) -> bool:
    """Whether both are saved lines with the same values, as `ledger.settle` needs them."""
    fields = [field.attname for field in ForcedRefresh._meta.concrete_fields]
    assert one.pk is not None
    assert not one._state.adding
    assert abs(one.reserved_at - other.reserved_at) < 10 * SECOND
    return all(getattr(one, f) == getattr(other, f) for f in fields if f not in ("id", "reserved_at"))


@pytest.fixture
def row() -> Feed:
    wait_for_room_in_the_hour()
    return Feed.objects.create(
        workspace=Workspace.objects.create(name="Acme", plan=Plan.objects.get(key="business")),
        instance_id="wgt_1", source_type="profile", source_value="acme", mode="public",
    )  # fmt: skip


def take(row: Feed, *, seen_at: datetime) -> tuple[Lease, ForcedRefresh] | None:
    limits = fresh_limits_for(row.workspace_id, now=seen_at)
    return charging.take_and_charge(
        row, limits, seen_at=seen_at, lasts=LASTS, actor=EDITOR, idempotency_key=None
    )


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_decision_for_another_hour_charges_nothing(row: Feed, hours: int) -> None:
    assert take(row, seen_at=clock.database_now() + hours * HOUR) is None

    assert (QuotaWindow.objects.count(), ForcedRefresh.objects.count()) == (0, 0)


def test_the_lease_lasts_from_the_charge(row: Feed) -> None:
    began_at = clock.database_now()

    assert take(row, seen_at=began_at) is not None

    row.refresh_from_db()
    assert row.lease_expires_at is not None
    assert began_at + LASTS - SECOND <= row.lease_expires_at <= clock.database_now() + LASTS + SECOND


def test_with_the_schema_of_an_earlier_release_the_store_is_at_fault(row: Feed) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION paris_integration_charge_unit")

    with pytest.raises(ProgrammingError) as error, transaction.atomic():
        take(row, seen_at=clock.database_now())

    assert is_store_fault(error.value)
