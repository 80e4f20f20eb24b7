"""What other limits would have done to recorded refreshes. Pure.

Refreshes are simulated in three ways: automatic ones by the interval between them, requested ones by the units of a day
or an hour, and those of a kind of source that a plan no longer includes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from entitlements.limits import Limits
from paris_integration.feeds import schedule

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Automatic:
    """The automatic refreshes of workspaces on days when the limits `then` applied."""

    refreshes: float
    then: Limits
    new: Limits


@dataclass(frozen=True, slots=True)
class Windows:
    """Days or hours of single widgets that were alike: in each of `number`, so many requests were charged and refused.

    `cap`: the plan's units at that time; None: unlimited. `granted`: units that staff added.
    """

    number: int
    cap: int | None
    used: int = 0
    granted: int = 0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class Simulated:
    """Refreshes made, refreshes refused or left out, and the hours during which feeds were stale, all summed."""

    refreshes: int
    refused: int
    stale_hours: int


Comparison = tuple[Simulated, Simulated]  # what happened, and what would have happened


def with_other_interval(recorded: Iterable[Automatic], fresh_for: timedelta) -> Comparison:
    """The same feeds, refreshed at the new interval. Feeds are stale while their posts are older than `fresh_for`."""
    before = after = left_out = stale_before = stale_after = 0.0
    for group in recorded:
        interval, new_interval = schedule.refresh_ttl(group.then), schedule.refresh_ttl(group.new)
        refreshes = group.refreshes * (interval / new_interval)
        before += group.refreshes
        after += refreshes
        left_out += max(0.0, group.refreshes - refreshes)
        stale_before += group.refreshes * _hours(interval - fresh_for)
        stale_after += refreshes * _hours(new_interval - fresh_for)
    return _simulated(before, 0, stale_before), _simulated(after, left_out, stale_after)


def without_source(recorded: Iterable[Automatic]) -> Comparison:
    """No refreshes: each one that was made would have been left out, and its posts stale for an interval."""
    groups = list(recorded)
    number = sum(group.refreshes for group in groups)
    stale = sum(group.refreshes * _hours(schedule.refresh_ttl(group.then)) for group in groups)
    return _simulated(number, 0, 0), _simulated(0, number, stale)


def with_other_cap(recorded: Iterable[Windows], new_cap: int | None, interval: timedelta) -> Comparison:
    """The same requests under another number of units. None: no limit.

    Refusals of a window whose units were not used up had another reason, and stay out. A refused request leaves the
    posts old until the next automatic refresh: for half an interval on average.
    """
    made_before = made_after = refused_before = refused_after = 0
    for window in recorded:
        was_full = window.cap is not None and window.used >= window.cap + window.granted
        refused = window.refused if was_full else 0
        wanted = window.used + refused
        made = wanted if new_cap is None else min(wanted, new_cap + window.granted)
        made_before += window.number * window.used
        refused_before += window.number * refused
        made_after += window.number * made
        refused_after += window.number * (wanted - made)
    wait = _hours(interval / 2)
    return (
        _simulated(made_before, refused_before, refused_before * wait),
        _simulated(made_after, refused_after, refused_after * wait),
    )


def _hours(length: timedelta) -> float:
    return max(0.0, length / HOUR)


def _simulated(refreshes: float, refused: float, stale_hours: float) -> Simulated:
    return Simulated(round(refreshes), round(refused), round(stale_hours))
