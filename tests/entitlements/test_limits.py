"""Limits from plan and overrides: precedence, caching, and invalid stored values."""

from __future__ import annotations

import json
import time
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache

from entitlements import changes
from entitlements.keys import Value
from entitlements.limits import (
    Grants,
    Limits,
    Override,
    WorkspaceNotFound,
    cache_key,
    effective_values,
    fresh_limits_for,
    fresh_limits_of,
    limits_for,
    load_ladder,
    resolve,
)
from entitlements.models import EntitlementOverride, Plan, PlanEntitlement, Workspace
from tests.entitlements.conftest import (
    ACTOR,
    CACHE,
    COPIES,
    DAY,
    HASHTAG,
    HOUR,
    NOW,
    OAUTH,
    PROFILE,
    TTL,
    plan,
)

PLAN_VALUES: dict[str, Value] = {
    PROFILE: True, HASHTAG: False, OAUTH: False, TTL: 360, DAY: 6, HOUR: 1, CACHE: None
}  # fmt: skip
A_SECOND = timedelta(seconds=1)


def resolved(*overrides: Override, now: datetime = NOW, values: dict[str, Value] = PLAN_VALUES) -> Limits:
    return resolve(Grants("starter", "Starter", 1, values, overrides), now)


def test_without_overrides_the_plan_applies() -> None:
    assert resolved() == Limits(
        plan_key="starter",
        plan_name="Starter",
        plan_rank=1,
        profile_enabled=True,
        hashtag_enabled=False,
        oauth_enabled=False,
        refresh_ttl_minutes_min=360,
        force_per_day_max=6,
        force_per_hour_max=1,
        cache_ttl_minutes_default=None,
    )


@pytest.mark.parametrize(
    ("ends_at", "counts"),
    [
        pytest.param(None, True, id="without end"),
        pytest.param(NOW + A_SECOND, True, id="a second before its end"),
        pytest.param(NOW, False, id="at its end exactly"),
        pytest.param(NOW - A_SECOND, False, id="a second after its end"),
    ],
)
def test_an_override_applies_until_its_end(ends_at: datetime | None, counts: bool) -> None:
    assert resolved(Override(HASHTAG, True, ends_at)).hashtag_enabled is counts


@pytest.mark.parametrize(
    ("override", "field", "value"),
    [
        pytest.param(Override(PROFILE, False, None), "profile_enabled", False, id="a switch off"),
        pytest.param(Override(DAY, 0, None), "force_per_day_max", 0, id="zero is a value"),
        pytest.param(Override(DAY, None, None), "force_per_day_max", None, id="null is a value: unlimited"),
        pytest.param(Override(TTL, 5, None), "refresh_ttl_minutes_min", 5, id="a shorter TTL"),
        pytest.param(Override(CACHE, 30, None), "cache_ttl_minutes_default", 30, id="a cache TTL"),
    ],
)
def test_an_override_takes_precedence_over_the_plan(override: Override, field: str, value: Value) -> None:
    limits = resolved(override)

    assert getattr(limits, field) == value
    assert limits.plan_key == "starter"


def test_a_key_missing_from_the_plan_grants_nothing() -> None:
    limits = resolved(values={})

    assert (limits.profile_enabled, limits.hashtag_enabled, limits.oauth_enabled) == (False, False, False)
    assert (limits.force_per_day_max, limits.force_per_hour_max) == (0, 0)
    assert (limits.refresh_ttl_minutes_min, limits.cache_ttl_minutes_default) == (1440, None)


MATRIX = {
    "free": (True, False, False, 1440, 1, 0, None),
    "starter": (True, False, False, 360, 6, 1, None),
    "pro": (True, True, True, 60, 24, 4, None),
    "business": (True, True, True, 15, 96, 12, None),
}


@pytest.mark.parametrize("key", MATRIX)
def test_the_plans_match_the_prd(workspace: Workspace, key: str) -> None:
    changes.set_plan(workspace, plan(key), actor=ACTOR)
    limits = fresh_limits_for(workspace.pk, now=NOW)

    assert limits.plan_key == key
    assert limits.plan_rank == list(MATRIX).index(key)
    assert (
        limits.profile_enabled,
        limits.hashtag_enabled,
        limits.oauth_enabled,
        limits.refresh_ttl_minutes_min,
        limits.force_per_day_max,
        limits.force_per_hour_max,
        limits.cache_ttl_minutes_default,
    ) == MATRIX[key]


def test_warm_limits_cost_no_query(workspace: Workspace, django_assert_num_queries: Any) -> None:
    cold = limits_for(workspace.pk, now=NOW)

    with django_assert_num_queries(0):
        assert limits_for(workspace.pk, now=NOW) == cold


def test_cold_limits_cost_one_query(workspace: Workspace, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(1):
        limits_for(workspace.pk, now=NOW)


def test_a_cached_override_ends_on_time(workspace: Workspace, django_assert_num_queries: Any) -> None:
    changes.set_override(workspace, HASHTAG, True, actor=ACTOR, ends_at=NOW + A_SECOND)
    assert limits_for(workspace.pk, now=NOW).hashtag_enabled

    with django_assert_num_queries(0):
        assert not limits_for(workspace.pk, now=NOW + A_SECOND).hashtag_enabled


def test_fresh_limits_bypass_the_cache(workspace: Workspace) -> None:
    limits_for(workspace.pk, now=NOW)
    PlanEntitlement.objects.filter(plan=workspace.plan, key=TTL).update(value=7)

    assert limits_for(workspace.pk, now=NOW).refresh_ttl_minutes_min == 360
    assert fresh_limits_for(workspace.pk, now=NOW).refresh_ttl_minutes_min == 7


@pytest.mark.parametrize("ask", [limits_for, fresh_limits_for, effective_values])
@pytest.mark.usefixtures("db")
def test_an_unknown_workspace_raises(ask: Any) -> None:
    with pytest.raises(WorkspaceNotFound):
        ask(uuid4(), now=NOW)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("nonsense", id="not a list"),
        pytest.param(["business", "Business", 3, ["x"], []], id="values that are not a mapping"),
        pytest.param(["business", "Business", 3, {DAY: "many"}, []], id="a value of the wrong type"),
        pytest.param(["business", "Business", 3, {"instagram.other": 1}, []], id="an unknown key"),
        pytest.param(["business", "Business", 3, {}, [[HASHTAG, "yes", None]]], id="an override of text"),
        pytest.param(
            ["business", "Business", 3, {}, [[HASHTAG, True, "soon"]]], id="an end that is not a time"
        ),
        pytest.param(
            ["business", "Business", 3, {}, [[HASHTAG, True, "2030-01-01T00:00:00"]]], id="a naive end"
        ),
    ],
)
def test_a_poisoned_copy_counts_as_missing(workspace: Workspace, value: object) -> None:
    cache.set(cache_key(workspace.pk), json.dumps({"checked_at": time.time(), "value": value}))

    assert limits_for(workspace.pk, now=NOW).plan_key == "starter"


def test_cached_limits_have_the_format_of_the_previous_release(workspace: Workspace) -> None:
    override = [HOUR, 5, "2126-01-01T00:00:00+00:00"]
    value = ["business", "Business", 3, {DAY: 96, HASHTAG: True, CACHE: None}, [override, [TTL, 7, None]]]
    cache.set(cache_key(workspace.pk), json.dumps({"checked_at": time.time(), "value": value}))

    limits = limits_for(workspace.pk, now=NOW)
    assert (limits.plan_key, limits.plan_rank, limits.hashtag_enabled) == ("business", 3, True)
    assert (limits.force_per_day_max, limits.force_per_hour_max, limits.refresh_ttl_minutes_min) == (96, 5, 7)

    changes.set_override(workspace, HOUR, 5, actor=ACTOR, ends_at=NOW + A_SECOND)
    cache.clear()
    limits_for(workspace.pk, now=NOW)
    plan_key, plan_name, plan_rank, plan_values, overrides = json.loads(cache.get(cache_key(workspace.pk)))[
        "value"
    ]
    assert (plan_key, plan_name, plan_rank, plan_values[DAY]) == ("starter", "Starter", 1, 6)
    ((name, number, ends_at),) = overrides
    assert (name, number, datetime.fromisoformat(ends_at)) == (HOUR, 5, NOW + A_SECOND)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param(DAY, "many", id="text for a number"),
        pytest.param(DAY, -1, id="below the minimum"),
        pytest.param("instagram.retired", 5, id="a key of another release"),
    ],
)
def test_invalid_stored_values_count_as_missing(workspace: Workspace, key: str, value: object) -> None:
    EntitlementOverride.objects.create(workspace=workspace, key=key, value=value)
    PlanEntitlement.objects.update_or_create(plan=workspace.plan, key=key, defaults={"value": value})

    expected = {DAY: 0}.get(key, 6)
    assert fresh_limits_for(workspace.pk, now=NOW).force_per_day_max == expected


def test_higher_plans_are_sorted_lowest_first_with_the_workspaces_overrides(workspace: Workspace) -> None:
    changes.set_override(workspace, HOUR, 99, actor=ACTOR)
    changes.set_override(workspace, DAY, 500, actor=ACTOR, ends_at=NOW)

    higher = [resolve(grants, NOW) for grants in load_ladder(workspace.pk).higher]

    assert [(limits.plan_name, limits.force_per_day_max) for limits in higher] == [
        ("Pro", 24),
        ("Business", 96),
    ]
    assert {limits.force_per_hour_max for limits in higher} == {99}


def test_nothing_is_higher_than_the_highest(workspace: Workspace) -> None:
    changes.set_plan(workspace, plan("business"), actor=ACTOR)

    assert load_ladder(workspace.pk).higher == ()


def test_effective_values_name_their_origin(workspace: Workspace) -> None:
    until = NOW + A_SECOND
    changes.set_override(workspace, HASHTAG, True, actor=ACTOR, ends_at=until)
    changes.set_override(workspace, DAY, None, actor=ACTOR)
    changes.set_override(workspace, HOUR, 50, actor=ACTOR, ends_at=NOW)

    values = effective_values(workspace.pk, now=NOW)

    assert [(value.key, value.words, value.source, value.until) for value in values] == [
        (PROFILE, "yes", "plan Starter", None),
        (HASHTAG, "yes", "override", until),
        (OAUTH, "no", "plan Starter", None),
        (TTL, "360", "plan Starter", None),
        (DAY, "unlimited", "override", None),
        (HOUR, "1", "plan Starter", None),
        (CACHE, "as refresh", "plan Starter", None),
        (COPIES, "yes", "plan Starter", None),
    ]


def test_limits_of_many_workspaces_are_those_of_each(
    workspace: Workspace, neighbour: Workspace, django_assert_num_queries: Any
) -> None:
    changes.set_plan(neighbour, plan("pro"), actor=ACTOR)
    PlanEntitlement.objects.filter(plan=plan("pro"), key=TTL).update(value="soon")
    changes.set_override(workspace, DAY, 7, actor=ACTOR, ends_at=NOW + A_SECOND)
    changes.set_override(workspace, HASHTAG, True, actor=ACTOR, ends_at=NOW)
    changes.set_override(neighbour, DAY, None, actor=ACTOR)
    bare = Workspace.objects.create(name="Bare", plan=Plan.objects.create(key="bare", name="Bare", rank=9))
    each = [workspace.pk, neighbour.pk, bare.pk]
    with django_assert_num_queries(1):
        found = fresh_limits_of(each, now=NOW)
    assert found == {workspace_id: fresh_limits_for(workspace_id, now=NOW) for workspace_id in each}
    assert (found[workspace.pk].force_per_day_max, found[workspace.pk].change_at) == (7, NOW + A_SECOND)
    assert fresh_limits_of([], now=NOW) == {}
    with pytest.raises(WorkspaceNotFound):
        fresh_limits_of([workspace.pk, uuid4()], now=NOW)
