"""Compares forced refreshes with a model, in random histories of times, plans, overrides, failures and grants.

The model implements only the contract: it keeps a list of charged units, counts the windows each time, and searches for
the next allowed second step by step.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import DateTimeField, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from entitlements.changes import Actor as Changer
from entitlements.changes import remove_override, set_override, set_plan
from entitlements.limits import Grants, Override, resolve
from entitlements.models import EntitlementOverride, Plan, Workspace
from paris_integration.errors import ProviderUnavailable, RefreshBlocked
from paris_integration.feeds.schedule import backoff_seconds
from paris_integration.models import Feed, ForcedRefresh, ProviderWindow, QuotaWindow
from paris_integration.providers.base import Usage
from paris_integration.public import (
    Actor,
    FeedKey,
    FeedView,
    Selection,
    Source,
    SourceType,
    force_refresh,
    grant_units,
)
from paris_integration.quota import ledger
from paris_integration.quota.allowance import Book, Tally, decide, next_forced_at
from paris_integration.types import FeedState
from tests.fakes import FakeProvider
from tests.figures import figure, is_long_run, many

START = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
DAY_KEY = "instagram.refresh.forcePerDay.max"
HOUR_KEY = "instagram.refresh.forcePerHour.max"
TTL_KEY = "instagram.refresh.ttlMinutes.min"
PROFILE_KEY = "instagram.profile.enabled"
MATRIX = {  # PRD §6.2: TTL in minutes, per day, per hour
    "free": (1440, 1, 0),
    "starter": (360, 6, 1),
    "pro": (60, 24, 4),
    "business": (15, 96, 12),
}
RANK = list(MATRIX)
NAMES = {"free": "Free", "starter": "Starter", "pro": "Pro", "business": "Business"}
STAFF = Changer("test")
EDITOR = Actor(7, "editor")
SOURCE = Source(SourceType.PROFILE, "acme.bakery")
ALL = Selection(max_posts=12)

usages = st.sampled_from(
    [Usage(), Usage(), Usage(percent=90), Usage(percent=100), Usage(percent=100, regain_minutes=1_000_000)]
)
plans = st.sampled_from(RANK)
caps = st.one_of(st.none(), st.integers(0, 5))
steps = st.one_of(
    st.integers(0, 90),
    st.integers(1, 40).map(lambda minutes: minutes * 60),
    st.integers(1, 30).map(lambda h: h * 3600),
)


@dataclass
class Model:
    """The contract, in a simple implementation."""

    plan: str = "pro"
    overrides: dict[str, tuple[Any, datetime | None]] = field(default_factory=dict)
    taken: list[datetime] = field(default_factory=list)
    granted: list[tuple[datetime, int]] = field(default_factory=list)
    fetched_at: datetime | None = None
    jitter: float = 0.0
    blocked_until: datetime | None = None

    def value(self, key: str, at: datetime, plan: str) -> Any:
        value, ends_at = self.overrides.get(key, (None, at))
        if key in self.overrides and (ends_at is None or at < ends_at):
            return value
        ttl, day, hour = MATRIX[plan]
        return {TTL_KEY: ttl, DAY_KEY: day, HOUR_KEY: hour, PROFILE_KEY: True}[key]

    def reason(self, at: datetime, plan: str | None = None) -> str | None:
        plan = plan or self.plan
        if not self.value(PROFILE_KEY, at, plan):
            return "PLAN_RESTRICTED"
        day_cap, hour_cap = self.value(DAY_KEY, at, plan), self.value(HOUR_KEY, at, plan)
        today = sum(moment.date() == at.date() for moment in self.taken)
        this_hour = sum(_hour(moment) == _hour(at) for moment in self.taken)
        extra_today = sum(units for moment, units in self.granted if moment.date() == at.date())
        extra_hour = sum(units for moment, units in self.granted if _hour(moment) == _hour(at))
        if day_cap == 0 and today >= extra_today:
            return "TTL_NOT_ELAPSED" if self.ttl_ends_at(at, plan) > at else None
        if day_cap is not None and today >= day_cap + extra_today:
            return "QUOTA_EXCEEDED"
        if hour_cap and this_hour >= hour_cap + extra_hour:
            return "QUOTA_EXCEEDED"
        return None

    def sells(self, at: datetime) -> bool:
        extra = sum(units for moment, units in self.granted if moment.date() == at.date())
        today = sum(moment.date() == at.date() for moment in self.taken)
        return self.value(DAY_KEY, at, self.plan) != 0 or today < extra

    def ttl_ends_at(self, at: datetime, plan: str) -> datetime:
        if self.fetched_at is None:
            return at
        minutes = self.value(TTL_KEY, at, plan)
        end = self.fetched_at + timedelta(minutes=minutes) * (1 + 0.1 * self.jitter)
        return end if end.microsecond == 0 else end.replace(microsecond=0) + SECOND

    def hint(self, at: datetime) -> str | None:
        higher = RANK[RANK.index(self.plan) + 1 :]
        return next((NAMES[plan] for plan in higher if self.reason(at, plan) is None), None)

    def first_allowed(self, now: datetime) -> datetime | None:
        """Search by the hour and at every end of a wait, then by the second."""
        ends = {ends_at for _, ends_at in self.overrides.values() if ends_at is not None}
        hours = {_hour(now) + HOUR * step for step in range(1, 60)}
        ttls = {self.ttl_ends_at(moment, self.plan) for moment in (now, *ends)}
        for moment in sorted(moment for moment in ends | hours | ttls if moment > now):
            if self.reason(moment) is None:
                return moment
        return None


def _hour(moment: datetime) -> datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


class ForcedRefreshes(RuleBasedStateMachine):
    """The test that runs this machine sets `time_machine` and `provider`."""

    time_machine: Any
    provider: FakeProvider
    numbers = itertools.count()

    @initialize(plan=plans)
    def begin(self, plan: str) -> None:
        self.now = START
        self._set_clock()
        self.provider.recovers()
        self.provider.calls.clear()
        ProviderWindow.objects.all().delete()
        self.model = Model(plan=plan)
        self.workspace = Workspace.objects.create(name="Model", plan=Plan.objects.get(key=plan))
        self.key = FeedKey(self.workspace.pk, f"wgt_{next(self.numbers)}", SOURCE)
        self.expected_calls = 0

    @rule(seconds=steps)
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self._set_clock()

    @rule(plan=plans)
    def change_plan(self, plan: str) -> None:
        set_plan(self.workspace, Plan.objects.get(key=plan), actor=STAFF)
        self.model.plan = plan

    @rule(key=st.sampled_from([DAY_KEY, HOUR_KEY]), value=caps, lasts=st.one_of(st.none(), steps))
    def override(self, key: str, value: int | None, lasts: int | None) -> None:
        ends_at = None if lasts is None else self.now + timedelta(seconds=lasts + 1)
        set_override(self.workspace, key, value, actor=STAFF, ends_at=ends_at)
        self.model.overrides[key] = (value, ends_at)

    @rule(allowed=st.booleans())
    def override_profile(self, allowed: bool) -> None:
        set_override(self.workspace, PROFILE_KEY, allowed, actor=STAFF)
        self.model.overrides[PROFILE_KEY] = (allowed, None)

    @rule()
    def drop_overrides(self) -> None:
        for row in EntitlementOverride.objects.filter(workspace=self.workspace):
            remove_override(row, actor=STAFF)
        self.model.overrides.clear()

    @rule(units=st.integers(1, 3))
    def grant(self, units: int) -> None:
        grant_units(self.key, units, actor=EDITOR, note="model")
        self.model.granted.append((self.now, units))

    @rule(fails=st.booleans(), usage=usages)
    def refresh(self, fails: bool, usage: Usage) -> None:
        if fails:
            self.provider.raises(ProviderUnavailable(status=503))
        else:
            self.provider.recovers()
        self.provider.usage = usage
        model, reason = self.model, self.model.reason(self.now)
        held_back = model.blocked_until is not None and model.blocked_until > self.now
        if reason is not None:
            with pytest.raises(RefreshBlocked) as refusal:
                force_refresh(self.key, ALL, actor=EDITOR, now=self.now)
            blocked = refusal.value
            allowed_at = None if reason == "PLAN_RESTRICTED" else model.first_allowed(self.now)
            assert (blocked.reason, blocked.allowed_at) == (reason, allowed_at)
            assert blocked.upgrade_hint == model.hint(self.now)
            return
        view = force_refresh(self.key, ALL, actor=EDITOR, now=self.now)
        if held_back:
            assert model.blocked_until is not None
            assert view.next_refresh_allowed_at is not None
            assert view.next_refresh_allowed_at >= model.blocked_until
        else:
            self._account_for(view, fails)

    def _account_for(self, view: FeedView, failed: bool) -> None:
        self.expected_calls += 1
        row = Feed.objects.get(workspace=self.workspace)
        if failed:
            assert "PROVIDER_UNAVAILABLE" in view.warnings
            assert row.blocked_until is not None
            longest = backoff_seconds(ProviderUnavailable(), row.failures, 1.0)
            assert self.now < row.blocked_until <= self.now + timedelta(seconds=longest)
        else:
            if self.model.sells(self.now):
                self.model.taken.append(self.now)
            assert view.last_updated_at == self.now
            self.model.fetched_at, self.model.jitter = self.now, row.jitter
            assert row.blocked_until == self._closed_until()
        self.model.blocked_until = row.blocked_until

    def _closed_until(self) -> datetime | None:
        """When the rate limit after a success ends: at the time in its usage header, or after 15 minutes."""
        usage = self.provider.usage
        if usage.regain_minutes == 0 and usage.percent < 100:
            return None
        return self.now + min(timedelta(minutes=usage.regain_minutes or 15), timedelta(days=1))

    @invariant()
    def the_books_agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert len(self.provider.calls) == self.expected_calls
        kept = ForcedRefresh.objects.filter(workspace=self.workspace, state="succeeded").count()
        assert kept == len(self.model.taken)
        windows = QuotaWindow.objects.filter(workspace=self.workspace)
        for kind in ("day", "hour"):
            assert sum(row.used for row in windows if row.kind == kind) == kept

    def _set_clock(self) -> None:
        self.time_machine.move_to(self.now, tick=False)


@pytest.mark.slow
@pytest.mark.sqlite_leg  # tests/races covers concurrent charges on PostgreSQL
@pytest.mark.django_db
def test_model_and_service_agree_on_every_history(time_machine: Any, provider: FakeProvider) -> None:
    ForcedRefreshes.time_machine, ForcedRefreshes.provider = time_machine, provider
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        ForcedRefreshes,
        settings=settings(
            max_examples=many(60, 200),
            stateful_step_count=many(30, 50),
            deadline=None,
            derandomize=not is_long_run(),
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    figure(
        "Q5",
        "model and service",
        is_met=many(60, 200) >= 2_000,
        histories=many(60, 200),
        steps=many(30, 50),
        divergences=0,
    )


@dataclass(frozen=True)
class State:
    """A source's plan and used units at some time of a day. `overrides`: values, with their seconds or None."""

    plan: str
    overrides: dict[str, tuple[int, int | None]]
    since: int
    jitter: float
    used: tuple[int, int]
    granted: int
    offset: int

    @property
    def now(self) -> datetime:
        return START.replace(hour=0) + timedelta(seconds=self.offset)

    @property
    def filled_at(self) -> datetime:
        return self.now - timedelta(seconds=self.since)

    @property
    def ending_overrides(self) -> list[tuple[str, int, datetime | None]]:
        return [
            (
                key,
                max(value, 1) if key == TTL_KEY else value,
                self.now + timedelta(seconds=lasts) if lasts else None,
            )
            for key, (value, lasts) in self.overrides.items()
        ]


states = st.builds(
    State,
    plan=plans,
    overrides=st.dictionaries(
        st.sampled_from([DAY_KEY, HOUR_KEY, TTL_KEY]),
        st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(1, 100_000))),
        max_size=3,
    ),
    since=st.integers(0, 100_000),
    jitter=st.floats(0, 1),
    used=st.tuples(st.integers(0, 8), st.integers(0, 4)),
    granted=st.integers(0, 2),
    offset=st.integers(0, 86_399),
)
RefusedUntil = Callable[[datetime], datetime | None]


def is_enforced_as_announced(state: State, refused_until: RefusedUntil) -> bool:
    """Whether the state is refused with a time. It must be refused a second before, and allowed a second after."""
    allowed_at = refused_until(state.now)
    if allowed_at is None:
        return False
    assert allowed_at > state.now
    for moment, expected in ((allowed_at - SECOND, allowed_at), (allowed_at + SECOND, None)):
        if moment > state.now:
            assert refused_until(moment) == expected
    return True


def test_the_allowance_is_enforced_as_announced_to_the_second() -> None:
    blocked = 0

    @settings(
        max_examples=many(500, 5_000),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(state=states)
    def check(state: State) -> None:
        nonlocal blocked
        ttl, day, hour = MATRIX[state.plan]
        values = {PROFILE_KEY: True, TTL_KEY: ttl, DAY_KEY: day, HOUR_KEY: hour}
        overrides = tuple(Override(*each) for each in state.ending_overrides)
        grants = Grants(state.plan, NAMES[state.plan], RANK.index(state.plan), values, overrides)
        feed = FeedState(state.filled_at, None, state.jitter)
        today, this_hour = (Tally(used, state.granted) for used in (max(state.used), min(state.used)))
        book = Book(state.now, today, this_hour)

        def refused_until(moment: datetime) -> datetime | None:
            seen = book.seen_at(moment)
            if decide(SOURCE, feed, resolve(grants, moment), seen).reason is None:
                return None
            return next_forced_at(SOURCE, feed, grants, seen, after_backoff=False)

        blocked += is_enforced_as_announced(state, refused_until)

    check()
    figure("Q4", "the decision", is_met=True, states=many(500, 5_000), refusals_checked=blocked, wrong=0)
    assert blocked > 150, "too few of the states were refusals to mean anything"


@pytest.mark.django_db
def test_announced_times_are_enforced_to_the_second(time_machine: Any, provider: FakeProvider) -> None:
    """The same test, with the service and its tables."""
    blocked = 0
    numbers = itertools.count()

    @settings(
        max_examples=many(30, 500), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )
    @given(state=states)
    def check(state: State) -> None:
        nonlocal blocked
        time_machine.move_to(state.now, tick=False)
        workspace = Workspace.objects.create(name="State", plan=Plan.objects.get(key=state.plan))
        for key, value, ends_at in state.ending_overrides:
            set_override(workspace, key, value, actor=STAFF, ends_at=ends_at)
        key = FeedKey(workspace.pk, f"wgt_state_{next(numbers)}", SOURCE)
        Feed.objects.create(
            workspace=workspace, instance_id=key.instance_id, source_type="profile", source_value="acme.bakery",
            mode="public", fetched_at=state.filled_at, jitter=state.jitter,
        )  # fmt: skip
        this_hour = state.now.replace(minute=0, second=0)
        windows = (("day", this_hour.replace(hour=0), max(state.used)), ("hour", this_hour, min(state.used)))
        for kind, starts_at, used in windows:
            QuotaWindow.objects.create(
                workspace=workspace, instance_id=key.instance_id, source_type="profile", source_value="acme.bakery",
                kind=kind, starts_at=starts_at, used=used, granted=state.granted,
            )  # fmt: skip

        def refused_by_service_until(moment: datetime) -> datetime | None:
            time_machine.move_to(moment, tick=False)
            return refused_until(key, moment)

        blocked += is_enforced_as_announced(state, refused_by_service_until)

    check()
    figure(
        "Q4",
        "the service",
        is_met=many(30, 500) >= 500,
        states=many(30, 500),
        refusals_checked=blocked,
        wrong=0,
    )
    assert blocked >= 10, "too few of the states were refusals to mean anything"


def refused_until(key: FeedKey, now: datetime) -> datetime | None:
    try:
        force_refresh(key, ALL, actor=EDITOR, now=now)
    except RefreshBlocked as blocked:
        return blocked.allowed_at
    return None


@pytest.mark.django_db
def test_a_charge_that_waited_across_midnight_counts_for_the_new_day(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, time_machine: Any
) -> None:
    """The clock is read again under the lock. Midnight passes while the charge waits for it."""
    time_machine.move_to(START, tick=False)
    workspace = Workspace.objects.create(name="Midnight", plan=Plan.objects.get(key="free"))
    key = FeedKey(workspace.pk, "wgt_midnight", SOURCE)
    before = datetime(2026, 11, 23, 23, 59, 59, 900_000, tzinfo=UTC)
    after = datetime(2026, 11, 24, 0, 0, 0, 100_000, tzinfo=UTC)
    monkeypatch.setattr(ledger.clock, "database_now", lambda: after)
    monkeypatch.setattr(ledger.clock, "moment", lambda: Value(before, output_field=DateTimeField()))

    force_refresh(key, ALL, actor=EDITOR, now=before)

    used = {row.starts_at.isoformat(): row.used for row in QuotaWindow.objects.filter(kind="day")}
    assert used["2026-11-24T00:00:00+00:00"] == 1
    assert used.get("2026-11-23T00:00:00+00:00", 0) == 0
    assert ForcedRefresh.objects.get().day_starts_at == datetime(2026, 11, 24, tzinfo=UTC)
