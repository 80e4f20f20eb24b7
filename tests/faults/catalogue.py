"""The figures of docs/reliability.md: what each means, and the tests that measure it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`hard`: beyond this a test fails. A goal that is only missed is reported. `tests`: arguments for pytest."""

    goal: str
    hard: str
    tests: tuple[str, ...]
    on_sqlite: bool = False


FORCED = "tests/races/test_forced_refresh.py::"
MODEL = "tests/paris_integration/quota/test_forced_model.py::"

FAULTS = "tests/faults/"

FIGURES: dict[str, Figure] = {
    "Q1": Figure(
        "10,000 racing POSTs over 8 processes (caps 1, 96, 2,000; one widget and 50): no unit over-spent or lost",
        "a unit over-spent",
        (
            f"{FORCED}test_racing_posts_neither_exceed_the_limit_nor_lose_units",
            f"{FAULTS}test_quota.py::test_released_at_once_posts_for_fifty_widgets",
            f"{FAULTS}test_quota.py::test_the_judge_convicts_a_naive_service",
        ),
    ),
    "Q2": Figure(
        "the same with a `kill -9` every 250 ms: none over-spent, in doubt at most one per kill, all settled in 60 s",
        "a unit over-spent, or a line left open",
        (f"{FORCED}test_killed_processes_neither_exceed_the_limit_nor_leave_units_open",),
    ),
    "Q3": Figure(
        "the same with Redis flushed every second, refusing, hung: none over-spent",
        "a unit over-spent",
        (f"{FAULTS}test_quota.py::test_racing_posts_while_redis_is_in_trouble",),
    ),
    "Q6": Figure(
        "one unit for one idempotency key, under 100 repeats at once and 100 later, and with a lost COMMIT",
        "more than one",
        (
            f"{FORCED}test_racing_repeats_cost_one_unit_a_day",
            f"{FAULTS}test_quota.py::test_an_answer_to_a_commit_that_is_lost",
        ),
    ),
    "D1": Figure(
        "the audit trail after Q2 has every answer and every settled line: none missing, none twice",
        "a missing event",
        (f"{FORCED}test_killed_processes_neither_exceed_the_limit_nor_leave_units_open",),
    ),
}
