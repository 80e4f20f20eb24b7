"""What a change of plans touches and would have done is shown before it is saved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from entitlements.changes import Actor, set_override, set_plan_value
from entitlements.models import EntitlementChange, MatrixChange, Plan, Workspace
from entitlements.reviews import Effect, Estimate
from paris_integration.models import AuditEvent, Connection, DailyUsage, Feed, QuotaWindow
from tests.entitlements.conftest import (
    ACTOR,
    CACHE,
    COPIES,
    DAY,
    HASHTAG,
    HOUR,
    OAUTH,
    PROFILE,
    TTL,
    Staff,
    plan,
)
from tests.entitlements.test_admin_matrix import URL, shown, stored, typed
from venice_api.models import WidgetInstance

NOW = datetime(2026, 11, 23, 12, 20, tzinfo=UTC)
TODAY = NOW.replace(hour=0, minute=0)
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clock")]


def reviewed(staff: Staff, **cells: str | None) -> Any:
    """The page after a review of these cells of Starter, by the names of the keys' constants. None: unchecked."""
    values = shown(staff)
    for name, text in cells.items():
        field = f"starter:{globals()[name]}"
        values.pop(field, None)
        values |= {} if text is None else {field: text}
    return staff.owner.post(URL, {**values, "review": "Review changes"})


def effect_of(staff: Staff, **cells: str | None) -> Effect:
    [effect] = reviewed(staff, **cells).context["effects"]
    assert isinstance(effect, Effect)
    return effect


def numbers(effect: Effect) -> tuple[int, ...]:
    """Refreshes, refused and hours of staleness: what happened, then with the change."""
    found = effect.estimate
    assert isinstance(found, Estimate)
    return (
        *(found.refreshes_before, found.refused_before, found.stale_hours_before),
        *(found.refreshes_after, found.refused_after, found.stale_hours_after),
    )


def used(
    workspace: Workspace,
    kind: str,
    units: int,
    *,
    at: datetime = TODAY,
    granted: int = 0,
    widget: str = "wgt_1",
    source: str = "acme",
) -> None:
    QuotaWindow.objects.create(
        workspace=workspace,
        instance_id=widget,
        source_type="profile",
        source_value=source,
        kind=kind,
        starts_at=at,
        used=units,
        granted=granted,
    )


def refused(workspace: Workspace, times: int, *, at: datetime, reason: str = "QUOTA_EXCEEDED") -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(
            at=at,
            workspace=workspace,
            instance_id="wgt_1",
            actor="anna",
            action="forced_refresh",
            outcome="refused",
            reason=reason,
        )
        for _ in range(times)
    )


def refreshed(workspace: Workspace, days_ago: int, number: int) -> None:
    day = (NOW - timedelta(days=days_ago)).date()
    DailyUsage.objects.create(workspace=workspace, day=day, automatic_refreshes=number, feed_requests=9)


def feed(workspace: Workspace, kind: str, **values: str) -> None:
    Feed.objects.create(
        workspace=workspace,
        instance_id=f"wgt_{kind}",
        source_type=kind,
        source_value="acme",
        mode="public",
        **values,
    )


# Counts


def test_the_review_counts_workspaces_and_saves_nothing(
    staff: Staff, workspace: Workspace, neighbour: Workspace
) -> None:
    set_override(neighbour, DAY, 9, actor=Actor("billing"))
    before, noted = stored("starter", DAY), EntitlementChange.objects.count()

    page = staff.owner.post(URL, shown(staff) | {f"starter:{DAY}": "33", "review": "Review changes"})

    [effect] = page.context["effects"]
    assert (effect.change.plan_name, effect.change.key, effect.change.new_words) == ("Starter", DAY, "33")
    assert (effect.workspaces, effect.overridden, effect.over) == (1, 1, 0)
    text = page.content.decode()
    assert "1 workspace, none of them over the new limit</strong>; 1 more keeps an override." in text
    assert (stored("starter", DAY), EntitlementChange.objects.count()) == (before, noted)

    saved = staff.owner.post(URL, typed(page))
    assert saved.status_code == 302
    assert stored("starter", DAY) == 33


@pytest.mark.parametrize(
    ("key", "text", "over"),
    [
        pytest.param("DAY", "2", 2, id="units of a day"),
        pytest.param("DAY", "3", 1, id="units of a day, at the limit"),
        pytest.param("DAY", "", None, id="unlimited"),
        pytest.param("HOUR", "1", 1, id="units of an hour"),
        pytest.param("HOUR", "0", None, id="no hourly limit"),
        pytest.param("TTL", "77", None, id="nothing to count"),
    ],
)
def test_workspaces_over_a_new_number_are_counted(
    staff: Staff, workspace: Workspace, neighbour: Workspace, key: str, text: str, over: int | None
) -> None:
    set_plan_value(plan("starter"), HOUR, 5, actor=ACTOR)
    third, fourth, elsewhere = (
        Workspace.objects.create(name=name, plan=plan(of))
        for name, of in (("Third", "starter"), ("Fourth", "starter"), ("Elsewhere", "pro"))
    )
    used(workspace, "day", 3)
    used(workspace, "day", 3, widget="wgt_2")
    used(workspace, "hour", 2, at=TODAY.replace(hour=9))
    used(neighbour, "day", 7, granted=2)
    used(third, "day", 9, at=TODAY - timedelta(days=1))  # yesterday
    used(third, "hour", 9, at=TODAY - timedelta(hours=1))
    used(elsewhere, "day", 9)
    used(fourth, "day", 9)
    set_override(fourth, DAY, 10, actor=ACTOR)
    set_override(fourth, HOUR, 10, actor=ACTOR)

    assert effect_of(staff, **{key: text}).over == over


def test_workspaces_that_use_what_is_switched_off_are_counted(
    staff: Staff, workspace: Workspace, neighbour: Workspace
) -> None:
    set_plan_value(plan("starter"), HASHTAG, True, actor=ACTOR)
    set_plan_value(plan("starter"), COPIES, True, actor=ACTOR)
    set_plan_value(plan("starter"), OAUTH, True, actor=ACTOR)
    for number, (owner, kind) in enumerate(
        ((workspace, "profile"), (workspace, "profile"), (neighbour, "profile"), (neighbour, "hashtag"))
    ):
        WidgetInstance.objects.create(workspace=owner, source_type=kind, source_value=f"acme{number}")
    for owner, state in ((workspace, "active"), (neighbour, "reconnect_required")):
        Connection.objects.create(
            workspace=owner,
            login="instagram",
            account_id="1",
            username="acme",
            obtained_at=NOW,
            state_changed_at=NOW,
            state=state,
        )
    feed(workspace, "profile", copies='{"1": 1}')
    feed(neighbour, "hashtag")

    page = reviewed(staff, PROFILE=None, HASHTAG=None, OAUTH=None, COPIES=None)

    found = {effect.change.key: effect.over for effect in page.context["effects"]}
    assert found == {PROFILE: 2, HASHTAG: 1, OAUTH: 1, COPIES: 1}
    text = page.content.decode()
    assert "2 workspaces, 1 of them uses it now" in text
    assert "2 workspaces, 2 of them use it now" in text


def test_queries_do_not_grow_with_cells_and_workspaces(
    staff: Staff, workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    for number in range(5):
        owner = Workspace.objects.create(name=f"W{number}", plan=Plan.objects.order_by("rank")[number % 4])
        refreshed(owner, 1, 24)
        used(owner, "day", 3)
    values = shown(staff)
    for name in list(values):
        if not name.startswith("initial-"):
            key = name.split(":")[1]
            if key in (TTL, CACHE):
                values[name] = "45"
            elif key in (DAY, HOUR):
                values[name] = "5"
            elif values.pop(name):
                pass

    with django_assert_max_num_queries(40):
        page = staff.owner.post(URL, {**values, "review": "1"})

    assert len(page.context["effects"]) > 20


# The simulation


def test_a_longer_interval_is_simulated(staff: Staff, workspace: Workspace, neighbour: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    back_date_changes(days=90)
    set_override(neighbour, TTL, 15, actor=ACTOR)
    for days_ago in (0, 1, 29):
        refreshed(workspace, days_ago, 24)
    refreshed(workspace, 30, 1000)  # too long ago
    refreshed(neighbour, 1, 96)  # keeps its own interval

    page = reviewed(staff, TTL="120")

    [effect] = page.context["effects"]
    assert numbers(effect) == (72, 0, 0, 36, 36, 36)
    text = page.content.decode()
    assert "older than 60 minutes, the shorter of the two limits." in text
    assert "Nothing is saved yet." in text


def test_days_before_an_earlier_change_are_measured_by_the_value_of_then(
    staff: Staff, workspace: Workspace
) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    back_date_changes(days=90)
    refreshed(workspace, 1, 24)
    set_plan_value(plan("starter"), TTL, 120, actor=ACTOR)

    assert numbers(effect_of(staff, TTL="60")) == (24, 0, 0, 24, 0, 0)
    assert numbers(effect_of(staff, TTL="30")) == (24, 0, 12, 48, 0, 0)


def test_a_later_stale_time_is_simulated_with_the_overrides_of_the_interval(
    staff: Staff, workspace: Workspace, neighbour: Workspace
) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    back_date_changes(days=90)
    set_override(neighbour, TTL, 30, actor=ACTOR)
    refreshed(workspace, 1, 24)
    refreshed(neighbour, 1, 48)

    # Both would be refreshed every two hours, and stale for one of them.
    assert numbers(effect_of(staff, CACHE="120")) == (72, 0, 0, 24, 48, 24)


def test_fewer_and_more_units_are_simulated(staff: Staff, workspace: Workspace, neighbour: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    set_plan_value(plan("starter"), DAY, 4, actor=ACTOR)
    back_date_changes(days=90)
    set_override(neighbour, DAY, 9, actor=ACTOR)
    for days_ago, units in ((1, 4), (2, 4), (3, 2)):
        used(workspace, "day", units, at=TODAY - timedelta(days=days_ago))
    refused(workspace, 4, at=NOW - timedelta(days=1))
    refused(workspace, 3, at=NOW - timedelta(days=3))  # not because of this limit
    refused(workspace, 9, at=NOW - timedelta(days=1), reason="PLAN_RESTRICTED")
    used(neighbour, "day", 9, at=TODAY - timedelta(days=1))
    used(workspace, "day", 99, at=TODAY - timedelta(days=31))

    assert numbers(effect_of(staff, DAY="6")) == (10, 4, 2, 12, 2, 1)
    assert numbers(effect_of(staff, DAY="3")) == (10, 4, 2, 8, 6, 3)
    assert numbers(effect_of(staff, DAY="unlimited")) == (10, 4, 2, 14, 0, 0)


def test_refusals_of_a_widget_with_two_sources_count_once(staff: Staff, workspace: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    set_plan_value(plan("starter"), DAY, 4, actor=ACTOR)
    back_date_changes(days=90)
    used(workspace, "day", 4)
    used(workspace, "day", 1, source="another")
    refused(workspace, 2, at=NOW)

    assert numbers(effect_of(staff, DAY="5")) == (5, 2, 1, 6, 1, 0)


def test_an_hourly_limit_is_simulated(staff: Staff, workspace: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    set_plan_value(plan("starter"), HOUR, 0, actor=ACTOR)
    back_date_changes(days=90)
    for hour, units in ((8, 5), (9, 2)):
        used(workspace, "hour", units, at=TODAY - timedelta(days=1) + timedelta(hours=hour))

    # 5 → 3 in the first hour: two refused, half an hour of staleness each.
    assert numbers(effect_of(staff, HOUR="3")) == (7, 0, 0, 5, 2, 1)


def test_a_source_that_is_switched_off_is_simulated(staff: Staff, workspace: Workspace) -> None:
    set_plan_value(plan("starter"), TTL, 60, actor=ACTOR)
    set_plan_value(plan("starter"), HASHTAG, True, actor=ACTOR)
    back_date_changes(days=90)
    feed(workspace, "profile")
    feed(workspace, "hashtag")
    refreshed(workspace, 1, 48)

    assert numbers(effect_of(staff, HASHTAG=None)) == (24, 0, 0, 0, 24, 24)


def test_without_records_the_numbers_are_zero(staff: Staff, workspace: Workspace) -> None:
    for cells in ({"TTL": "77"}, {"CACHE": "5000"}, {"DAY": "1"}, {"HOUR": "3"}):
        assert numbers(effect_of(staff, **cells)) == (0, 0, 0, 0, 0, 0)


def test_what_no_record_shows_is_not_estimated(staff: Staff, workspace: Workspace) -> None:
    page = reviewed(staff, HASHTAG="on", OAUTH="on")

    assert [effect.estimate for effect in page.context["effects"]] == [None, None]
    assert "isn't estimated" in page.content.decode().replace("&#x27;", "'")


def back_date_changes(*, days: int) -> None:
    """Let all changes so far have been saved so many days ago."""
    MatrixChange.objects.update(at=NOW - timedelta(days=days))
