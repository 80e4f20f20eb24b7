"""Other limits applied to recorded refreshes: each record beside what it adds up to, worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from entitlements.limits import Limits
from paris_integration.support.simulating import (
    Automatic,
    Simulated,
    Windows,
    with_other_cap,
    with_other_interval,
    without_source,
)

PLAN = Limits(
    plan_key="starter",
    plan_name="Starter",
    plan_rank=1,
    profile_enabled=True,
    hashtag_enabled=False,
    oauth_enabled=True,
    refresh_ttl_minutes_min=60,
    force_per_day_max=4,
    force_per_hour_max=0,
    cache_ttl_minutes_default=None,
)
NOTHING = Simulated(refreshes=0, refused=0, stale_hours=0)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def every(minutes: int, cache: int | None = None) -> Limits:
    return replace(PLAN, refresh_ttl_minutes_min=minutes, cache_ttl_minutes_default=cache)


@pytest.mark.parametrize(
    ("recorded", "fresh_for", "before", "after"),
    [
        pytest.param([], 60, NOTHING, NOTHING, id="empty history"),
        pytest.param(
            [Automatic(0, every(60), every(120))], 60, NOTHING, NOTHING, id="days without refreshes"
        ),
        # A day of one feed: posts of an hour at most before, and older than an hour for half of the day after.
        pytest.param(
            [Automatic(24, every(60), every(120))],
            60,
            Simulated(24, 0, 0),
            Simulated(12, 12, 12),
            id="half as often",
        ),
        pytest.param(
            [Automatic(24, every(60), every(15))],
            15,
            Simulated(24, 0, 18),
            Simulated(96, 0, 0),
            id="four times as often",
        ),
        pytest.param(
            [Automatic(24, every(60), every(60, cache=180))],
            60,
            Simulated(24, 0, 0),
            Simulated(8, 16, 16),
            id="a later stale time delays refreshes",
        ),
        pytest.param(
            [Automatic(24, every(60), every(60, cache=30))],
            30,
            Simulated(24, 0, 12),
            Simulated(24, 0, 12),
            id="an earlier stale time changes no refresh",
        ),
        # Ten days at 60 minutes and one at 30, to which the change returns: only those ten would differ.
        pytest.param(
            [Automatic(240, every(60), every(30)), Automatic(48, every(30), every(30))],
            30,
            Simulated(288, 0, 120),
            Simulated(528, 0, 0),
            id="days before and after an earlier change",
        ),
        pytest.param(
            [Automatic(24, every(60), every(120)), Automatic(24, every(60, 240), every(120, 240))],
            60,
            Simulated(48, 0, 72),
            Simulated(36, 12, 84),
            id="a workspace with an override of the other limit",
        ),
        pytest.param(
            [Automatic(3_000_000_000, every(5_256_000), every(1))],
            1,
            Simulated(3_000_000_000, 0, 262_799_950_000_000),
            Simulated(15_768_000_000_000_000, 0, 0),
            id="the largest values",
        ),
    ],
)
def test_automatic_refreshes_follow_the_interval(
    recorded: list[Automatic], fresh_for: int, before: Simulated, after: Simulated
) -> None:
    assert with_other_interval(recorded, fresh_for * MINUTE) == (before, after)


@pytest.mark.parametrize(
    ("recorded", "new_cap", "before", "after"),
    [
        pytest.param([], 4, NOTHING, NOTHING, id="empty history"),
        pytest.param(
            [Windows(10, cap=4, used=3)], 4, Simulated(30, 0, 0), Simulated(30, 0, 0), id="the same cap"
        ),
        # Ten days with 4 of 4 used and 2 refused. A refusal is half an hour of staleness.
        pytest.param(
            [Windows(10, cap=4, used=4, refused=2)],
            5,
            Simulated(40, 20, 10),
            Simulated(50, 10, 5),
            id="one more unit",
        ),
        pytest.param(
            [Windows(10, cap=4, used=4, refused=2)],
            None,
            Simulated(40, 20, 10),
            Simulated(60, 0, 0),
            id="unlimited",
        ),
        pytest.param(
            [Windows(10, cap=None, used=6), Windows(2, cap=None, used=1)],
            4,
            Simulated(62, 0, 0),
            Simulated(42, 20, 10),
            id="no longer unlimited",
        ),
        pytest.param(
            [Windows(10, cap=4, used=4, refused=2)],
            0,
            Simulated(40, 20, 10),
            Simulated(0, 60, 30),
            id="none in the plan",
        ),
        pytest.param(
            [Windows(10, cap=0, used=0, refused=3)],
            2,
            Simulated(0, 30, 15),
            Simulated(20, 10, 5),
            id="a plan without units",
        ),
        pytest.param(
            [Windows(1, cap=4, used=9, granted=5)],
            2,
            Simulated(9, 0, 0),
            Simulated(7, 2, 1),
            id="granted units are granted again",
        ),
        pytest.param(
            [Windows(10, cap=4, used=3, refused=2)],
            9,
            Simulated(30, 0, 0),
            Simulated(30, 0, 0),
            id="refusals with units left had another reason",
        ),
        pytest.param(
            [Windows(1, cap=2, used=2, refused=6), Windows(1, cap=8, used=8)],
            8,
            Simulated(10, 6, 3),
            Simulated(16, 0, 0),
            id="days before and after an earlier change",
        ),
    ],
)
def test_requested_refreshes_follow_the_units(
    recorded: list[Windows], new_cap: int | None, before: Simulated, after: Simulated
) -> None:
    assert with_other_cap(recorded, new_cap, HOUR) == (before, after)


@pytest.mark.parametrize(
    ("recorded", "before", "after"),
    [
        pytest.param([], NOTHING, NOTHING, id="empty history"),
        pytest.param(
            [Automatic(24, every(60), PLAN), Automatic(2.5, every(120), PLAN)],
            Simulated(26, 0, 0),
            Simulated(0, 26, 29),
            id="each refresh made is left out",
        ),
    ],
)
def test_a_source_without_the_plan_is_not_refreshed(
    recorded: list[Automatic], before: Simulated, after: Simulated
) -> None:
    assert without_source(recorded) == (before, after)
